/**
 * Health: `/healthz` says whether the router serves, with the problems that keep parts of it from serving; `/readyz`
 * whether it can do its whole work now, by its status.
 */
import { Elysia } from 'elysia';
import type { Config } from '../../config/config';
import type { Database } from '../../database/database';
import type { Draining } from './draining';
import { readinessOf } from './readiness';

const PREPULL_OFF = 'BACKEND_PREPULL_AT_STARTUP=false';

/** The parts of higher subjects that report their health, with only the methods that are called. */
interface SystemRoutesDeps {
  readonly config: Pick<Config, 'prepullAtStartup'>;
  readonly database: Pick<Database, 'ping' | 'probeWrite' | 'migration'>;
  readonly drivers: { names(): readonly string[] };
  readonly draining: Pick<Draining, 'isDraining'>;
  readonly backups: { problem(): string | undefined };
  readonly backends: { readonly problem: string | undefined; all(): readonly { readonly name: string }[] };
  readonly platforms: { problems(): Readonly<Record<string, string>> };
  readonly homes: { problem(): Promise<string | undefined> };
  readonly images: { status(): object };
}

export function systemRoutes(deps: SystemRoutesDeps) {
  const readiness = readinessOf(deps);
  const app = new Elysia({ name: 'system' });
  app.get('/readyz', ({ status }) => {
    const answer = readiness();
    return status(answer.ready ? 200 : 503, answer);
  });
  return app.get('/healthz', async () => {
    deps.database.ping();
    const problem = deps.backends.problem;
    const problems = deps.platforms.problems();
    const backupProblem = deps.backups.problem();
    const homesProblem = await deps.homes.problem();
    return {
      ok: true,
      backends: deps.backends.all().map(({ name }) => name),
      prepull_status: deps.config.prepullAtStartup ? deps.images.status() : { _disabled: PREPULL_OFF },
      ...(problem !== undefined && { backends_problem: problem }),
      ...(homesProblem !== undefined && { homes_problem: homesProblem }),
      ...(backupProblem !== undefined && { backup_problem: backupProblem }),
      ...(Object.keys(problems).length > 0 && { driver_problems: problems }),
    };
  });
}
