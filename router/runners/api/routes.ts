/**
 * `/api/backends` and `/api/runners`: the endpoints of the predecessor, keyed by backend and so by the user's default
 * agent.
 */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import type { IdleService } from '../../agents/idle';
import type { Agent } from '../../agents/store';
import type { Backend, BackendRegistry } from '../../backends/backends';
import type { Config } from '../../config/config';
import type { Events } from '../../lib/events';
import { unixSeconds } from '../../lib/time';
import { type Incoming, patiently } from '../../web/patience';
import type { OpenStreams } from '../../web/streams/open-streams';
import { eventStream } from '../../web/streams/sse';
import type { RunnersService } from '../runners';
import { runnerAddress } from './present';

interface RunnersRoutesDeps {
  readonly agents: AgentsService;
  readonly backends: BackendRegistry;
  readonly config: Pick<Config, 'idle'>;
  readonly events: Events;
  readonly idle: IdleService;
  readonly installationId: string;
  readonly runners: RunnersService;
  readonly streams: OpenStreams;
}

export function runnersRoutes(deps: RunnersRoutesDeps, session: SessionPlugin) {
  const { runners, idle } = deps;

  return new Elysia({ name: 'runners' })
    .use(session)
    .get(
      '/api/backends',
      async ({ who }) => ({
        backends: await Promise.all(allowed(deps, who).map((one) => backendJson(deps, who, one))),
      }),
      {
        session: true,
      },
    )
    .get('/api/runners', async ({ who }) => ({ runners: await listRunners(deps, who) }), { session: true })
    .post(
      '/api/runners/:backend/start',
      async ({ who, params, request, server }) => {
        const agent = await agentFor(deps, who, params.backend);
        const start = async () => runners.lease(agent, { signal: request.signal, explicit: true });
        const lease = await patiently({ request, server }, start);
        lease.end();
        return { runner: { backend: agent.backend, ...addressOf(deps, agent, lease.runner) } };
      },
      { session: true },
    )
    .delete(
      '/api/runners/:backend',
      async ({ who, params, request, server }) => {
        const { id } = await agentFor(deps, who, params.backend);
        return { stopped: await patiently({ request, server }, () => runners.stop(id, 'asked')) };
      },
      { session: true },
    )
    .put(
      '/api/runners/:backend/idle',
      async ({ who, params, body }) => {
        const agent = await agentFor(deps, who, params.backend);
        return { idle_seconds: await idle.set(who.user.id, agent.backend, body.idle_seconds) };
      },
      { session: true, body: t.Object({ idle_seconds: t.Integer() }) },
    )
    .get(
      '/api/runners/:backend/progress',
      async ({ who, params, request, server }) =>
        progressStream(deps, { who, request, server }, await agentFor(deps, who, params.backend)),
      { session: true },
    );
}

async function agentFor(deps: RunnersRoutesDeps, who: Who, name: string): Promise<Agent> {
  return deps.agents.defaultOf(who.user.id, deps.backends.get(name));
}

function allowed({ agents, backends }: RunnersRoutesDeps, { user }: Who): readonly Backend[] {
  return backends.all().filter(({ name }) => agents.allows(user.id, name));
}

async function backendJson(deps: RunnersRoutesDeps, who: Who, backend: Backend) {
  return {
    name: backend.name,
    display_name: backend.displayName,
    models: [...new Set([backend.name, ...backend.extraModels])],
    default_idle_seconds: backend.defaultIdleSeconds ?? deps.config.idle.defaultSeconds,
    idle_seconds: await deps.idle.secondsOf(who.user.id, backend.name),
    user_overridable_env: backend.userOverridableEnv,
    disabled: backend.disabled,
  };
}

function addressOf(deps: RunnersRoutesDeps, { backend }: Agent, runner: { id: string; url: string }) {
  return runnerAddress(deps.installationId, deps.backends.find(backend), runner);
}

async function listRunners(deps: RunnersRoutesDeps, who: Who) {
  const own = deps.runners.running().filter(({ agent }) => agent.userId === who.user.id);
  return Promise.all(
    own.map(async ({ agent, runner, status }) => {
      const idleSeconds = await deps.idle.secondsFor(agent);
      const idleForSeconds = Math.floor(status.idleMs / 1000);
      return {
        agent_id: agent.id,
        backend: agent.backend,
        ...addressOf(deps, agent, runner),
        started_at: unixSeconds(runner.startedAtMs),
        last_active: unixSeconds(status.lastActiveMs),
        idle_seconds: idleSeconds,
        idle_for_seconds: idleForSeconds,
        stops_in_seconds: idleSeconds === 0 ? null : Math.max(0, idleSeconds - idleForSeconds),
        state: status.state,
        running: status.state === 'running',
        // Started with other values than the user has now: it ends when it is idle.
        stale: status.isStale,
      };
    }),
  );
}

/**
 * Streams the stages of a start, beginning with the current one; ends after `ready` or `error`, however long the start
 * takes.
 */
function progressStream(
  deps: RunnersRoutesDeps,
  { who, ...incoming }: { readonly who: Who } & Incoming,
  agent: Agent,
): Response {
  return eventStream(incoming, (writer) => {
    // First: it may refuse.
    const open = deps.streams.addLive({ userId: who.user.id, credentialId: who.credentialId }, writer);
    let last = '';
    const tell = () => {
      const { state, progress, failure } = deps.runners.status(agent.id);
      const { stage, percent, message, place } = progress;
      const detail = {
        agent_id: agent.id,
        state,
        // The place in the queue of starts.
        ...(place !== undefined && { place }),
        // After a failure, the runner's last output.
        ...(failure?.hint !== undefined && { hint: failure.hint }),
      };
      const data = JSON.stringify({ stage, progress: percent, message, detail });
      if (data !== last) void writer.send({ data });
      last = data;
      if (stage === 'ready' || stage === 'error') writer.close();
    };
    const unsubscribe = deps.events.subscribe(who.user.id, (event) => {
      if (event.kind === 'runner' && event.agentId === agent.id) tell();
    });
    tell();
    return () => {
      unsubscribe();
      open.end();
    };
  });
}
