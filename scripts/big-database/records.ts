/** What belongs to users beside conversations and calls: files of messages, schedules, and events of the audit. */
import type { Database as Sqlite } from 'bun:sqlite';
import { attachments } from '../../router/database/schema/attachments';
import { auditEvents } from '../../router/database/schema/audit';
import { schedules } from '../../router/database/schema/schedules';
import { newId, sha256 } from '../../router/lib/ids';
import { atOnce, inserter } from './inserter';
import { emailOf, type Person } from './people';
import { DAY_MS, DAYS, someone } from './sizes';

/** One in this many questions has a file. */
const MESSAGES_PER_FILE = 40;
/** As many as one user may have, for the heavy one; the others have one. */
const SCHEDULES_MAX = 50;
const EVENTS_PER_DAY = 300;

export function insertRecords(sqlite: Sqlite, people: readonly Person[], startMs: number): void {
  atOnce(sqlite, () => insertFiles(sqlite));
  atOnce(sqlite, () => insertSchedules(sqlite, people, startMs));
  atOnce(sqlite, () => insertEvents(sqlite, people, startMs));
}

/** Their contents are nowhere: nobody downloads them. */
function insertFiles(sqlite: Sqlite): void {
  const insert = inserter(sqlite, attachments);
  const asked = sqlite.query<{ id: string; conversationId: string; userId: string; createdAtMs: number }, [number]>(
    `SELECT m.id, m.conversation_id AS conversationId, c.user_id AS userId, m.created_at_ms AS createdAtMs
     FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id WHERE m.position % ? = 1`,
  );
  for (const { id: messageId, ...place } of asked.all(MESSAGES_PER_FILE)) {
    const id = newId();
    insert({
      ...place,
      messageId,
      id,
      ordinal: 0,
      hash: sha256(id),
      name: 'notes.txt',
      type: 'text/plain',
      bytes: 900,
    });
  }
}

function insertSchedules(sqlite: Sqlite, people: readonly Person[], startMs: number): void {
  const insert = inserter(sqlite, schedules);
  for (const [number, { id: userId, agentIds }] of people.entries()) {
    for (let place = 0; place < (number === 0 ? SCHEDULES_MAX : 1); place += 1) {
      // A year from now, so that no agent is asked while something is measured.
      const nextAtMs = startMs + 2 * DAYS * DAY_MS;
      insert({
        ...{ id: newId(), userId, agentId: agentIds[0] ?? '', cron: '0 8 * * 1', timeZone: 'UTC' },
        ...{ text: 'What is new since last week?', nextAtMs, createdAtMs: startMs + place },
      });
    }
  }
}

function insertEvents(sqlite: Sqlite, people: readonly Person[], startMs: number): void {
  const insert = inserter(sqlite, auditEvents);
  for (let event = 0; event < DAYS * EVENTS_PER_DAY; event += 1) {
    const number = someone(people.length);
    const atMs = Math.floor(startMs + (event * DAY_MS) / EVENTS_PER_DAY);
    const actor = emailOf(number);
    const who = { actor, actorId: people[number]?.id ?? null, address: '192.0.2.1' };
    insert({ atMs, action: event % 2 === 0 ? 'key.made' : 'key.revoked', ...who, target: 'Key 0', detail: '' });
  }
}
