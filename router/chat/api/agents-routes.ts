/** `/api/agents`: a user's agents, and the runner of each, as the predecessor's API has them. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import type { BackendRegistry } from '../../backends/backends';
import { unixSeconds } from '../../lib/time';
import { runnerAddress } from '../../runners/api/present';
import { patiently } from '../../web/patience';
import { type RemovalDeps, removeAgent } from '../removal';

interface AgentsRoutesDeps extends RemovalDeps {
  readonly backends: BackendRegistry;
  readonly installationId: string;
}

export function agentsRoutes(deps: AgentsRoutesDeps, session: SessionPlugin) {
  const { agents, runners } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => agents.get(user.id, id);

  return new Elysia({ name: 'agents' })
    .use(session)
    .get(
      '/api/agents',
      async ({ who }) => {
        await agents.ensureDefaults(who.user.id);
        const all = (await agents.listAll(who.user.id)).filter(({ backend }) => agents.allows(who.user.id, backend));
        return {
          agents: all.map((agent) => agentJson(deps, agent)),
          max_per_backend: agents.maxPerBackend(who.user.id),
        };
      },
      { session: true },
    )
    .post(
      '/api/agents',
      async ({ who, body }) => {
        const agent = await agents.create(who.user.id, { ...body, model: body.model ?? '' });
        return { agent: agentJson(deps, agent) };
      },
      { session: true, body: t.Object({ backend: t.String(), name: t.String(), model: t.Optional(t.String()) }) },
    )
    .patch(
      '/api/agents/:id',
      async ({ who, params, body }) => {
        const agent = await agents.update(await own(who, params), body);
        await runners.agentChanged(agent);
        return { agent: agentJson(deps, agent) };
      },
      { session: true, body: t.Object({ name: t.Optional(t.String()), model: t.Optional(t.String()) }) },
    )
    .delete(
      '/api/agents/:id',
      async ({ who, params, request, server, set }) => {
        const agent = await own(who, params);
        await patiently({ request, server }, () => removeAgent(deps, agent));
        set.status = 204;
      },
      { session: true },
    )
    .post(
      '/api/agents/:id/start',
      async ({ who, params, request, server }) => {
        const agent = await own(who, params);
        const start = async () => runners.lease(agent, { signal: request.signal, explicit: true });
        const lease = await patiently({ request, server }, start);
        lease.end();
        return { runner: { agent_id: agent.id, backend: agent.backend, ...addressOf(deps, agent, lease.runner) } };
      },
      { session: true },
    )
    .delete(
      '/api/agents/:id/runner',
      async ({ who, params, request, server }) => {
        const { id } = await own(who, params);
        return { stopped: await patiently({ request, server }, () => runners.stop(id, 'asked')) };
      },
      { session: true },
    );
}

function addressOf(deps: AgentsRoutesDeps, { backend }: Agent, runner: { id: string; url: string }) {
  return runnerAddress(deps.installationId, deps.backends.find(backend), runner);
}

/** An agent as the predecessor's API returns it. Times are seconds. */
function agentJson(deps: AgentsRoutesDeps, agent: Agent) {
  const found = deps.runners.findRunning(agent.id);
  const running = found?.status.state === 'running' ? found : undefined;
  return {
    id: agent.id,
    user_id: agent.userId,
    backend: agent.backend,
    name: agent.name,
    model: agent.model,
    ordinal: agent.ordinal,
    created_at: unixSeconds(agent.createdAtMs),
    updated_at: Math.floor((agent.updatedAtMs ?? agent.createdAtMs) / 1000),
    running: running !== undefined,
    ...(running ? addressOf(deps, agent, running.runner) : { container_name: null, host_port: null }),
  };
}
