/** `/api/agents/{id}`: what is set for one agent, and its runner, for programs. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../accounts/identify';
import { agentWithBackend } from '../agents/with-backend';
import { type RemovalDeps, resetHome } from '../chat/removal';
import { unixSeconds } from '../lib/time';
import { type DetailsDeps, runnerFacts, runnerLog } from '../runners/pages/present';
import { patiently } from '../web/patience';
import { type AgentViewDeps, agentSettings } from './present-agent';

interface AgentApiDeps extends AgentViewDeps, Omit<DetailsDeps, 'backends' | 'idle'> {
  readonly conversations: Parameters<typeof resetHome>[0]['conversations'];
  readonly generations: RemovalDeps['generations'];
}

export function agentApiRoutes(deps: AgentApiDeps, session: SessionPlugin) {
  const { agents, idle, loads, own, runners } = deps;

  return new Elysia({ name: 'agent-api' })
    .use(session)
    .get('/api/agents/:id/settings', ({ who, params }) => settingsJson(deps, who, params), { session: true })
    .put(
      '/api/agents/:id/instructions',
      async ({ who, params, body }) => {
        const { agent, backend } = await about(deps, who, params);
        await own.setInstructions(agent, backend, body.text);
        await runners.agentChanged(agent);
        return settingsJson(deps, who, params);
      },
      { session: true, body: t.Object({ text: t.String() }) },
    )
    .put(
      '/api/agents/:id/idle',
      async ({ who, params, body }) => {
        const { agent } = await about(deps, who, params);
        const { idle_seconds: seconds } = body;
        await agents.update(agent, { idleSeconds: seconds === undefined ? null : idle.clamp(seconds) });
        return settingsJson(deps, who, params);
      },
      { session: true, body: t.Object({ idle_seconds: t.Optional(t.Integer()) }) },
    )
    .put(
      '/api/agents/:id/env/:name',
      async ({ who, params, body }) => {
        await setVariable(deps, who, params, body.value);
        return settingsJson(deps, who, params);
      },
      { session: true, body: t.Object({ value: t.String() }) },
    )
    .delete(
      '/api/agents/:id/env/:name',
      async ({ who, params }) => {
        await setVariable(deps, who, params, '');
        return settingsJson(deps, who, params);
      },
      { session: true },
    )
    .post(
      '/api/agents/:id/reset',
      async ({ who, params, request, server, set }) => {
        const { agent } = await about(deps, who, params);
        await patiently({ request, server }, () => resetHome(deps, agent));
        set.status = 204;
      },
      { session: true },
    )
    .get(
      '/api/agents/:id/runner',
      async ({ who, params }) => {
        const { agent } = await about(deps, who, params);
        const { upMs, answers, calls, stopsInMs, isStale } = await runnerFacts(deps, agent);
        return {
          state: runners.status(agent.id).state,
          up_seconds: upMs === undefined ? null : Math.floor(upMs / 1000),
          answers,
          calls,
          stops_in_seconds: stopsInMs === undefined ? null : Math.floor(stopsInMs / 1000),
          stale: isStale,
          load: loads.of(agent.id).map(({ atMs, cpuPercent = null, memoryBytes = null }) => ({
            at: unixSeconds(atMs),
            cpu_percent: cpuPercent,
            memory_bytes: memoryBytes,
          })),
        };
      },
      { session: true },
    )
    .get(
      '/api/agents/:id/runner/log',
      async ({ who, params }) => ({ log: await runnerLog(deps, (await about(deps, who, params)).agent) }),
      { session: true },
    );
}

const about = (deps: AgentApiDeps, { user }: Who, { id }: { id: string }) => agentWithBackend(deps, user.id, id);

async function setVariable(deps: AgentApiDeps, who: Who, params: { id: string; name: string }, value: string) {
  const { agent, backend } = await about(deps, who, params);
  await deps.own.setVariable(agent, backend, params.name, value);
  await deps.runners.agentChanged(agent);
}

async function settingsJson(deps: AgentApiDeps, who: Who, params: { id: string }) {
  const view = await agentSettings(deps, who, { ...(await about(deps, who, params)), refused: {} });
  const { idle, instructions, limits, model, variables } = view;
  return {
    model: model ? { own: model.own, inherited: model.inherited ?? null } : null,
    idle_seconds: idle.own ?? idle.inherited,
    has_own_idle: idle.own !== null,
    instructions: instructions ? { text: instructions.text, file: instructions.file, own: instructions.isOwn } : null,
    env: variables.map(({ name, isSecret, shown = null }) => ({ name, secret: isSecret, shown })),
    limits: {
      memory_bytes: limits.memoryBytes ?? null,
      cpus: limits.cpus ?? null,
      pids: limits.pids ?? null,
      answer_seconds: Math.floor(limits.answerMs / 1000),
    },
  };
}
