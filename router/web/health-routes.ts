/** Health: whether the router serves, and the problems that keep parts of it from serving. */
import { Elysia } from 'elysia';
import type { Context } from '../context';

const PREPULL_OFF = 'BACKEND_PREPULL_AT_STARTUP=false';

export function systemRoutes(context: Context) {
  return new Elysia({ name: 'system' }).get('/healthz', async () => {
    context.database.ping();
    const problem = context.backends.problem;
    const problems = context.platforms.problems();
    const homesProblem = await context.homes.problem();
    return {
      ok: true,
      backends: context.backends.all().map(({ name }) => name),
      prepull_status: context.config.prepullAtStartup ? context.images.status() : { _disabled: PREPULL_OFF },
      ...(problem !== undefined && { backends_problem: problem }),
      ...(homesProblem !== undefined && { homes_problem: homesProblem }),
      ...(Object.keys(problems).length > 0 && { driver_problems: problems }),
    };
  });
}
