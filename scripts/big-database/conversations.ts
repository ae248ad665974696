/** Conversations and their messages. */
import type { Database as Sqlite } from 'bun:sqlite';
import { conversations, messages } from '../../router/database/schema/chat';
import { newId } from '../../router/lib/ids';
import { atOnce, inserter } from './inserter';
import type { Person } from './people';
import { below, DAY_MS, DAYS, HEAVY_SHARE, type Sizes, someone } from './sizes';

const WORDS =
  'the answer is that a router keeps every conversation in one table and reads few rows of it for a page'.split(' ');

/** @returns the ids of each user's conversations. */
export function insertConversations(sqlite: Sqlite, people: readonly Person[], sizes: Sizes, startMs: number) {
  const insertConversation = inserter(sqlite, conversations);
  const insertMessage = inserter(sqlite, messages);
  const rooms = people.map((): string[] => []);
  const perRoom = sizes.messages / sizes.conversations;
  const long = Math.floor((sizes.messages * HEAVY_SHARE) / 100);
  const stepMs = (DAYS * DAY_MS) / sizes.conversations;
  for (let from = 0; from < sizes.conversations; from += 1_000) {
    atOnce(sqlite, () => {
      for (let room = from; room < Math.min(from + 1_000, sizes.conversations); room += 1) {
        const number = room === 0 ? 0 : someone(people.length);
        const person = people[number];
        if (!person) continue;
        const id = newId();
        rooms[number]?.push(id);
        // Turns of two messages; the first conversation is the long one.
        const count = 2 * Math.ceil((room === 0 ? long : perRoom * (0.5 + Math.random())) / 2);
        const atMs = Math.floor(startMs + room * stepMs);
        insertConversation({
          ...{ id, userId: person.id, agentId: person.agentIds[room % person.agentIds.length] ?? '' },
          ...{ title: `Conversation ${room} about ${sentence(4)}`, createdAtMs: atMs, updatedAtMs: atMs + count },
          ...{ lastPosition: count, sessionFrom: 0, expiresAtMs: null },
        });
        for (let position = 1; position <= count; position += 1) {
          const isUser = position % 2 === 1;
          insertMessage({
            ...{ id: newId(), conversationId: id, position, role: isUser ? 'user' : 'assistant', status: 'done' },
            ...{ content: sentence(isUser ? 12 : 60), failure: null, calls: null, results: null },
            ...{ createdAtMs: atMs + position, endedAtMs: isUser ? null : atMs + position },
          });
        }
      }
    });
  }
  return rooms;
}

function sentence(words: number): string {
  const from = below(WORDS.length);
  return Array.from({ length: words }, (_, index) => WORDS[(from + index) % WORDS.length]).join(' ');
}
