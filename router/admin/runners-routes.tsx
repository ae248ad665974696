/** Administration → Runners: those of all users, with their output; stopped and restarted. And `/api/admin/runners`. */
import { Elysia, t } from 'elysia';
import { AdminRunnerDetails, AdminRunnerPage, AdminRunners, AdminRunnersPage } from '../../views/admin/runners';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { ShellOf } from '../accounts/present-pages';
import type { AgentsService } from '../agents/agents';
import type { AuditAction, AuditService } from '../audit/audit';
import { AppError } from '../lib/errors';
import { runnerLog } from '../runners/present-details';
import type { Clients } from '../web/clients';
import { isPartRequest, page, part, seeOther } from '../web/respond';
import { type FleetDeps, fleetView, pageOf, runnerJson, runnerViews } from './present-runners';

/** Runners on one page, and in one answer of the API. */
const SHOWN_MAX = 50;
const LISTED_MAX = 1_000;
const after = t.Optional(t.String({ maxLength: 100 }));

export interface AdminRunnersDeps extends FleetDeps {
  readonly agents: AgentsService;
  readonly audit: Pick<AuditService, 'record'>;
  readonly clients: Pick<Clients, 'address'>;
  readonly shell: ShellOf;
}

type Server = Parameters<Clients['address']>[1];

export function adminRunnersRoutes(deps: AdminRunnersDeps, session: SessionPlugin) {
  const { runners } = deps;

  return new Elysia({ name: 'all-runners' })
    .use(session)
    .use(apiRoutes(deps, session))
    .get('/admin/runners', ({ who, query, request }) => listPage(deps, who, request, query.after ?? ''), {
      admin: true,
      query: t.Object({ after }),
    })
    .get(
      '/admin/runners/:id',
      async ({ who, params, request, server }) => {
        const { agent } = running(deps, params.id);
        const [runner] = await runnerViews(deps, [running(deps, params.id)]);
        if (!runner) throw noRunner();
        const log = await runnerLog(deps, agent);
        if (isPartRequest(request)) return part(who, <AdminRunnerDetails runner={runner} log={log} />);
        // The page fetches the rest of the output again and again: one event for all of that.
        await record(deps, who, request, server, 'runner.log_read', runner);
        return page(who, <AdminRunnerPage shell={await deps.shell(who)} runner={runner} log={log} />);
      },
      { admin: true },
    )
    .post(
      '/admin/runners/:id/stop',
      async ({ who, params, request, server }) => {
        await stop(deps, who, request, server, params.id);
        return seeOther(request, '/admin/runners');
      },
      { admin: true },
    )
    .post(
      '/admin/runners/:id/restart',
      async ({ who, params, request, server }) => {
        const { agent } = running(deps, params.id);
        await stop(deps, who, request, server, agent.id);
        // Not awaited: the list shows how it goes, and what makes it fail is in the runner's state.
        const started = runners.lease(agent, { signal: new AbortController().signal, explicit: true });
        void started.then(
          (lease) => lease.release(),
          () => undefined,
        );
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
        const { found, hasMore } = pageOf(deps, query.after ?? '', LISTED_MAX);
        return { runners: found.map((one) => runnerJson(deps, one)), has_more: hasMore };
      },
      { admin: true, query: t.Object({ after }) },
    )
    .delete(
      '/api/admin/runners/:user/:backend',
      async ({ who, params, request, server }) => {
        const owned = await deps.agents.listAll(params.user);
        const [agent] = owned.filter(({ backend }) => backend === params.backend).sort((a, b) => a.ordinal - b.ordinal);
        return { stopped: agent !== undefined && (await stop(deps, who, request, server, agent.id)) };
      },
      { admin: true },
    );
}

/** The agent's runner. Throws `not_found` when it has none. */
function running({ runners }: AdminRunnersDeps, agentId: string) {
  const found = runners.running().find(({ agent }) => agent.id === agentId);
  if (!found) throw noRunner();
  return found;
}

function noRunner(): AppError {
  return new AppError('not_found', { message: 'This agent has no runner now.' });
}

/** @returns whether there was a runner to stop. */
async function stop(deps: AdminRunnersDeps, who: Who, request: Request, server: Server, agentId: string) {
  const found = deps.runners.running().filter(({ agent }) => agent.id === agentId);
  const [runner] = await runnerViews(deps, found);
  const isStopped = await deps.runners.stop(agentId, 'asked');
  if (runner) await record(deps, who, request, server, 'runner.stopped', runner);
  return isStopped;
}

function record(
  { audit, clients }: AdminRunnersDeps,
  who: Who,
  request: Request,
  server: Server,
  action: AuditAction,
  runner: { readonly owner: string; readonly name: string; readonly agentId: string },
) {
  const { owner: target, name, agentId } = runner;
  const detail = `agent=${name} (${agentId})`;
  return audit.record({ action, actor: who.user, target, detail, address: clients.address(request, server) });
}

async function listPage(deps: AdminRunnersDeps, who: Who, request: Request, after: string): Promise<Response> {
  const { found, hasMore } = pageOf(deps, after, SHOWN_MAX);
  const last = found.at(-1);
  const shown = {
    fleet: await fleetView(deps),
    runners: await runnerViews(deps, found),
    path: after === '' ? '/admin/runners' : `/admin/runners?after=${encodeURIComponent(after)}`,
    ...(hasMore && last && { moreHref: `/admin/runners?after=${last.agent.id}` }),
    ...(after !== '' && { firstHref: '/admin/runners' }),
  };
  if (isPartRequest(request)) return part(who, <AdminRunners {...shown} />);
  return page(who, <AdminRunnersPage shell={await deps.shell(who)} {...shown} />);
}
