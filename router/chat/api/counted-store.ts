/** Conversations as the API lists them: with their number of messages, and their rank among those with the same backend. */
import type { Db } from '../../database/database';
import { TEXT_PARAMETER } from '../../database/parameters';
import type { Conversation } from '../store/conversations';

/** A conversation as the API returns it. */
export interface CountedConversation
  extends Pick<Conversation, 'id' | 'agentId' | 'title' | 'createdAtMs' | 'updatedAtMs' | 'shelf'> {
  readonly backend: string;
  /** Its own model, else its agent's, else the backend's name. */
  readonly model: string;
  readonly messageCount: number;
  /** Its rank by creation among the user's conversations with the backend, from 1. It falls when an earlier one is deleted. */
  readonly seq: number;
}

/** Which conversations of a user. */
type Wanted =
  | { readonly id: string }
  | { readonly backend: string; readonly seq: number }
  | { readonly limit: number; readonly before: Pick<Conversation, 'id' | 'updatedAtMs'> | undefined };

type Row = Omit<CountedConversation, 'seq'> & Pick<Conversation, 'expiresAtMs'>;
type Created = Pick<Row, 'createdAtMs' | 'id'>;

/** Before all others. */
const BEGINNING: Created = { createdAtMs: -1, id: '' };

// A deleted conversation expires, too.
const IS_KEPT = 'expires_at_ms IS NULL';
const ROW = `SELECT c.id, c.agent_id AS agentId, c.title, c.shelf, c.created_at_ms AS createdAtMs,
  c.updated_at_ms AS updatedAtMs, c.expires_at_ms AS expiresAtMs, a.backend,
  coalesce(nullif(c.model, ''), nullif(a.model, ''), a.backend) AS model,
  (SELECT count(*) FROM messages AS m WHERE m.conversation_id = c.id)
    - (SELECT count(*) FROM messages AS m WHERE m.conversation_id = c.id AND m.is_hidden = 1) AS messageCount`;

export function countedStore({ $client }: Db) {
  // Each shelf is in the order of the list, so that none is sorted.
  const onShelf = (shelf: string) =>
    `SELECT rowid AS row, updated_at_ms, id FROM conversations WHERE user_id = ?1 AND shelf = '${shelf}' AND ${IS_KEPT}
      AND (updated_at_ms, id) < (?2, ?3)`;
  const shelves = ['list', 'pinned', 'archived'].map(onShelf).join(' UNION ALL ');
  const listed = $client.query<Row, [userId: string, beforeMs: number, beforeId: string, limit: number]>(
    `${ROW} FROM (${shelves} ORDER BY updated_at_ms DESC, id DESC LIMIT ?4) AS listed
      CROSS JOIN conversations AS c ON c.rowid = listed.row JOIN agents AS a ON a.id = c.agent_id
      ORDER BY listed.updated_at_ms DESC, listed.id DESC`,
  );
  const one = $client.query<Row, [userId: string, id: string]>(
    `${ROW} FROM conversations AS c JOIN agents AS a ON a.id = c.agent_id
      WHERE c.id = ?2 AND c.user_id = ?1 AND c.shelf <> 'deleted'`,
  );
  const nth = $client.query<{ id: string }, [userId: string, backend: string, earlier: number]>(
    `SELECT c.id FROM agents AS a CROSS JOIN conversations AS c INDEXED BY conversations_numbered ON c.agent_id = a.id
      WHERE a.user_id = ? AND a.backend = ? AND c.${IS_KEPT} ORDER BY c.created_at_ms, c.id LIMIT 1 OFFSET ?`,
  );
  const agentsOf = $client.query<{ id: string }, [userId: string, backend: string]>(
    'SELECT id FROM agents WHERE user_id = ? AND backend = ?',
  );
  const between = $client.query<
    { count: number },
    [agentId: string, afterMs: number, afterId: string, toMs: number, toId: string]
  >(
    `SELECT count(*) AS count FROM conversations INDEXED BY conversations_numbered WHERE agent_id = ${TEXT_PARAMETER}
      AND ${IS_KEPT} AND (created_at_ms, id) > (?, ?) AND (created_at_ms, id) <= (?, ?)`,
  );

  /** Ranks of conversations by their ids. Between two of them those that are not asked for are counted, each only once. */
  function ranksOf(userId: string, rows: readonly Row[]): ReadonlyMap<string, number> {
    const ranks = new Map<string, number>();
    for (const [backend, ofBackend] of Map.groupBy(rows, (row) => row.backend)) {
      const agents = agentsOf.all(userId, backend);
      let from = BEGINNING;
      let rank = 0;
      for (const to of ofBackend.sort(byCreation)) {
        for (const { id } of agents) {
          rank += between.get(id, from.createdAtMs, from.id, to.createdAtMs, to.id)?.count ?? 0;
        }
        // A conversation that expires does not count for the numbers of others.
        ranks.set(to.id, to.expiresAtMs === null ? rank : rank + 1);
        from = to;
      }
    }
    return ranks;
  }

  /** Not every number that is whole in JavaScript is an integer in SQLite. */
  function numbered(userId: string, { backend, seq }: { readonly backend: string; readonly seq: number }) {
    return seq > 0 && Number.isSafeInteger(seq) ? nth.get(userId, backend, seq - 1)?.id : undefined;
  }

  function rowsOf(userId: string, wanted: Wanted): readonly Row[] {
    if ('limit' in wanted) {
      const { limit, before } = wanted;
      return listed.all(userId, before?.updatedAtMs ?? Number.MAX_SAFE_INTEGER, before?.id ?? '', limit);
    }
    const id = 'id' in wanted ? wanted.id : numbered(userId, wanted);
    const row = id ? one.get(userId, id) : undefined;
    return row ? [row] : [];
  }

  return {
    /** Last changed first. Those that are kept unasked are found by their id only. */
    async counted(userId: string, wanted: Wanted): Promise<readonly CountedConversation[]> {
      const rows = rowsOf(userId, wanted);
      const ranks = ranksOf(userId, rows);
      return rows.map(({ expiresAtMs: _, ...row }) => ({ ...row, seq: ranks.get(row.id) ?? 0 }));
    },
  };
}

const byCreation = (a: Created, b: Created) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
