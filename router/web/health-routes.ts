/** Health: whether the router serves, and the problems that keep parts of it from serving. */
import { Elysia } from 'elysia';
import type { Config } from '../config/config';
import type { Database } from '../database/database';

const PREPULL_OFF = 'BACKEND_PREPULL_AT_STARTUP=false';

/** The parts of higher subjects that report their health, with only the methods that are called. */
export interface SystemRoutesDeps {
  readonly config: Pick<Config, 'prepullAtStartup'>;
  readonly database: Pick<Database, 'ping'>;
  readonly backends: { readonly problem: string | undefined; all(): readonly { readonly name: string }[] };
  readonly platforms: { problems(): object };
  readonly homes: { problem(): Promise<string | undefined> };
  readonly images: { status(): object };
}

export function systemRoutes(deps: SystemRoutesDeps) {
  return new Elysia({ name: 'system' }).get('/healthz', async () => {
    deps.database.ping();
    const problem = deps.backends.problem;
    const problems = deps.platforms.problems();
    const homesProblem = await deps.homes.problem();
    return {
      ok: true,
      backends: deps.backends.all().map(({ name }) => name),
      prepull_status: deps.config.prepullAtStartup ? deps.images.status() : { _disabled: PREPULL_OFF },
      ...(problem !== undefined && { backends_problem: problem }),
      ...(homesProblem !== undefined && { homes_problem: homesProblem }),
      ...(Object.keys(problems).length > 0 && { driver_problems: problems }),
    };
  });
}
