/** Administration → Runners: those of all users, with their output; stopped and restarted. And `/api/admin/runners`. */
import { Elysia, t } from 'elysia';
import { AdminRunnerPage, AdminRunnersPage } from '../../../views/admin/runners';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { ShellOf } from '../../accounts/present-pages';
import type { AgentsService } from '../../agents/agents';
import { AppError } from '../../lib/errors';
import { runnerLog } from '../../runners/pages/present';
import { page, seeOther } from '../../web/answers/respond';
import { patiently } from '../../web/patience';
import type { AdminRequest, LogReads } from './log-reads';
import { type FleetDeps, runnerJson, runnersPage, runnerViews } from './present';

/** Runners in one answer of the API. */
const LISTED_MAX = 1_000;
const after = t.Optional(t.String({ maxLength: 100 }));

interface AdminRunnersDeps extends FleetDeps {
  readonly agents: AgentsService;
  readonly logReads: LogReads;
  readonly shell: ShellOf;
}

export function adminRunnersRoutes(deps: AdminRunnersDeps, session: SessionPlugin) {
  const { runners } = deps;

  return new Elysia({ name: 'all-runners' })
    .use(session)
    .use(apiRoutes(deps, session))
    .get('/admin/runners', ({ who, query }) => listPage(deps, who, query.after ?? ''), {
      admin: true,
      query: t.Object({ after }),
    })
    .get(
      '/admin/runners/:id',
      async ({ who, params, request, server }) => {
        const found = running(deps, params.id);
        const [runner] = await runnerViews(deps, who, [found]);
        if (!runner) throw noRunner();
        const log = await runnerLog(deps, found.agent);
        await deps.logReads.opened({ who, request, server }, runner);
        const liveUrl = `/admin/live?on=runner&agent=${runner.agentId}`;
        return page(who, <AdminRunnerPage shell={await deps.shell(who)} runner={runner} log={log} liveUrl={liveUrl} />);
      },
      { admin: true },
    )
    .post(
      '/admin/runners/:id/stop',
      async ({ who, params, request, server }) => {
        await stop(deps, { who, request, server }, params.id);
        return seeOther(request, '/admin/runners');
      },
      { admin: true },
    )
    .post(
      '/admin/runners/:id/restart',
      async ({ who, params, request, server }) => {
        const { agent } = running(deps, params.id);
        await stop(deps, { who, request, server }, agent.id);
        runners.begin(agent);
        return seeOther(request, '/admin/runners');
      },
      { admin: true },
    );
}

function apiRoutes(deps: AdminRunnersDeps, session: SessionPlugin) {
  return new Elysia({ name: 'all-runners-api' })
    .use(session)
    .get(
      '/api/admin/runners',
      ({ query }) => {
        const { after = '' } = query;
        const found = deps.runners.running().filter(({ agent }) => agent.id > after);
        const shown = found.sort((a, b) => (a.agent.id < b.agent.id ? -1 : 1)).slice(0, LISTED_MAX);
        return { runners: shown.map((one) => runnerJson(deps, one)), has_more: found.length > LISTED_MAX };
      },
      { admin: true, query: t.Object({ after }) },
    )
    .delete(
      '/api/admin/runners/:user/:backend',
      async ({ who, params, request, server }) => {
        const owned = await deps.agents.listAll(params.user);
        const [agent] = owned.filter(({ backend }) => backend === params.backend).sort((a, b) => a.ordinal - b.ordinal);
        return { stopped: agent !== undefined && (await stop(deps, { who, request, server }, agent.id)) };
      },
      { admin: true },
    );
}

/** The agent's runner. Throws `not_found` when it has none. */
function running({ runners }: AdminRunnersDeps, agentId: string) {
  const found = runners.findRunning(agentId);
  if (!found) throw noRunner();
  return found;
}

function noRunner(): AppError {
  return new AppError('not_found', { message: 'This agent has no runner now.' });
}

/** @returns whether there was a runner to stop. */
async function stop(deps: AdminRunnersDeps, by: AdminRequest, agentId: string): Promise<boolean> {
  const found = deps.runners.findRunning(agentId);
  const [runner] = found ? await runnerViews(deps, by.who, [found]) : [];
  const isStopped = await patiently(by, () => deps.runners.stop(agentId, 'asked'));
  if (runner) await deps.logReads.record('runner.stopped', by, runner);
  return isStopped;
}

async function listPage(deps: AdminRunnersDeps, who: Who, after: string): Promise<Response> {
  const { views, hasMore } = await runnersPage(deps, who, after);
  const last = views.at(-1);
  return page(
    who,
    <AdminRunnersPage
      shell={await deps.shell(who)}
      runners={views}
      liveUrl={`/admin/live?${new URLSearchParams({ on: 'runners', ...(after !== '' && { after }) })}`}
      {...(hasMore && last && { moreHref: `/admin/runners?after=${last.agentId}` })}
      {...(after !== '' && { firstHref: '/admin/runners' })}
    />,
  );
}
