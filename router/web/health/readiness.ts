/** Readiness: whether the router can do its whole work now, for `/readyz`. */
import type { Database } from '../../database/database';
import { storageFault } from '../../lib/storage-faults';
import { steadyMs } from '../../lib/time';
import type { Draining } from './draining';

/** Anybody may call `/readyz`, as often as they want, and each check writes to the disk. */
const KEPT_MS = 5_000;

interface Readiness {
  readonly ready: boolean;
  /** Part → `ok`, or a sentence about what is wrong with it. */
  readonly checks: {
    readonly database: string;
    readonly drivers: Readonly<Record<string, string>>;
    readonly shutdown?: string;
  };
  /** The newest migration of the database. All are applied before the router listens. */
  readonly migration: string;
}

export function readinessOf(deps: {
  readonly database: Pick<Database, 'migration' | 'probeWrite'>;
  readonly drivers: { names(): readonly string[] };
  readonly platforms: { problems(): Readonly<Record<string, string>> };
  readonly draining: Pick<Draining, 'isDraining'>;
}) {
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let database = 'ok';

  function checkDatabase(): string {
    if (steadyMs() - checkedAtMs < KEPT_MS) return database;
    try {
      deps.database.probeWrite();
      database = 'ok';
    } catch (error) {
      const fault = storageFault(error);
      database = fault ? `It cannot be written: ${fault.what}. ${fault.remedy}` : 'It cannot be written. See the log.';
    }
    checkedAtMs = steadyMs();
    return database;
  }

  return (): Readiness => {
    const ok = Object.fromEntries(deps.drivers.names().map((name) => [name, 'ok']));
    const checks = {
      database: checkDatabase(),
      drivers: { ...ok, ...deps.platforms.problems() },
      ...(deps.draining.isDraining && { shutdown: 'The router is shutting down.' }),
    };
    const said = [checks.database, checks.shutdown ?? 'ok', ...Object.values(checks.drivers)];
    return { ready: said.every((one) => one === 'ok'), checks, migration: deps.database.migration };
  };
}
