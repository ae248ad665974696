/** Deletes conversations some messages at a time: a message takes up to 90 µs with what belongs to it, and some have thousands. */
import { type Db, roomInLog } from '../../database/database';
import type { Write } from '../../database/grouped-writes';
import { TEXT_PARAMETER } from '../../database/parameters';

/** Messages that one transaction deletes. */
export const MESSAGES_AT_ONCE = 50;
/** When a conversation expires of which a part is deleted: nobody finds it, and after a crash it goes like those that expire. */
export const BEING_DELETED = 0;
/** Conversations that are deleted together: few, because others' writes come behind them. */
const TOGETHER = 10;

/** Deletes conversations only if they still expire by this moment, and nothing is being written in them. */
interface Expired {
  readonly byMs: number;
  /** Whether an answer is begun or written there, also one whose turn is not stored yet. */
  isAnswering(conversationId: string): boolean;
}

export function deletingStore(db: Db, write: Write) {
  const { $client } = db;
  const isExpired = $client.query<{ is: number }, [id: string, byMs: number]>(
    `SELECT 1 AS "is" FROM conversations WHERE id = ${TEXT_PARAMETER} AND expires_at_ms <= ?
      AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id AND status = 'streaming')`,
  );
  const some = $client.query<never, [id: string]>(
    `DELETE FROM messages WHERE rowid IN (SELECT rowid FROM messages WHERE conversation_id = ${TEXT_PARAMETER}
      ORDER BY position LIMIT ${MESSAGES_AT_ONCE})`,
  );
  const hide = $client.query<never, [id: string]>(
    `UPDATE conversations SET shelf = 'deleted', expires_at_ms = ${BEING_DELETED} WHERE id = ?`,
  );
  const row = $client.query<never, [id: string]>('DELETE FROM conversations WHERE id = ?');
  const ofAgent = $client.query<{ id: string }, [agentId: string]>(
    `SELECT id FROM conversations WHERE agent_id = ? LIMIT ${TOGETHER}`,
  );

  async function deleteOne(id: string, expired?: Expired): Promise<void> {
    const isOver = () =>
      write(() => {
        if (expired && (expired.isAnswering(id) || !isExpired.get(id, expired.byMs))) return true;
        const isWhole = some.run(id).changes < MESSAGES_AT_ONCE;
        if (isWhole) row.run(id);
        else hide.run(id);
        return isWhole;
      });
    while (!(await isOver())) await roomInLog(db);
  }

  return {
    /** Deletes a conversation. Nobody finds it from the first step on. */
    delete: (id: string): Promise<void> => deleteOne(id),

    /** Deletes those of these conversations whose time is over and that nothing is written in. */
    async deleteIfExpired(ids: readonly string[], expired: Expired): Promise<void> {
      for (let from = 0; from < ids.length; from += TOGETHER) {
        await roomInLog(db);
        await Promise.all(ids.slice(from, from + TOGETHER).map((id) => deleteOne(id, expired)));
      }
    },

    /** Deletes all conversations of an agent. */
    async deleteOfAgent(agentId: string): Promise<void> {
      for (let found = ofAgent.all(agentId); found.length > 0; found = ofAgent.all(agentId)) {
        await Promise.all(found.map(({ id }) => deleteOne(id)));
        await roomInLog(db);
      }
    },
  };
}
