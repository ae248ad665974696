/** Runners that are gone. */
import type { Database as Sqlite } from 'bun:sqlite';
import { runners } from '../../router/database/schema/runners';
import { newId, sha256 } from '../../router/lib/ids';
import { atOnce, inserter } from './inserter';

/** Writes rows of runners of the process driver whose processes are gone, for that many agents without one. */
export function insertGoneRunners(sqlite: Sqlite, count: number): void {
  const insert = inserter(sqlite, runners);
  const free = sqlite.query<{ id: string; backend: string }, [number]>(
    'SELECT id, backend FROM agents WHERE id NOT IN (SELECT agent_id FROM runners) LIMIT ?',
  );
  const startedAtMs = Date.now();
  atOnce(sqlite, () => {
    for (const { id: agentId, backend } of free.all(count)) {
      const id = newId();
      insert({
        ...{ id, agentId, backend, driver: 'process', state: 'running', handle: { runnerId: id, pid: 4_194_304 } },
        // Nobody opens the sealed key of a runner that is gone.
        ...{ url: 'http://127.0.0.1:9', accessKeySealed: 'sealed', runnerKeyHash: sha256(id), specHash: sha256(id) },
        ...{ startedAtMs, lastActiveAtMs: startedAtMs },
      });
    }
  });
}
