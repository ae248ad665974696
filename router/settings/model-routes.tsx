/** The model of an agent, as it is chosen in the title bar. */
import { Elysia, t } from 'elysia';
import { ModelChoice } from '../../views/agents/model-choice';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { Agent } from '../agents/store';
import { agentWithBackend } from '../agents/with-backend';
import type { Backend } from '../backends/backends';
import type { UpstreamsService } from '../broker/upstreams';
import { modelOf } from '../credentials/present-model';
import { AppError } from '../lib/errors';
import type { RunnersService } from '../runners/runners';
import { isPartRequest, part, seeOther } from '../web/answers/respond';
import { textOf } from '../web/reader';
import type { AgentViewDeps } from './present-agent';

/** A reseller of all models has some hundreds. */
const LISTED_MAX = 500;

interface ModelRoutesDeps extends Pick<AgentViewDeps, 'agents' | 'backends' | 'credentials'> {
  readonly runners: RunnersService;
  readonly upstreams: Pick<UpstreamsService, 'listModels'>;
}

export function modelRoutes(deps: ModelRoutesDeps, session: SessionPlugin) {
  const { agents, runners } = deps;

  return new Elysia({ name: 'agent-models' })
    .use(session)
    .get(
      '/agents/:id/models',
      async ({ who, params, request }) => {
        const { agent, backend } = await about(deps, who, params);
        if (!isPartRequest(request)) return seeOther(request, `/agents/${agent.id}/settings`);
        const { inherited } = (await modelOf(deps, agent, backend)) ?? {};
        const list = await listOf(deps, who, { agent, backend }, request.signal);
        const choice = { agentId: agent.id, own: agent.model, ...(inherited !== undefined && { inherited }), ...list };
        return part(who, <ModelChoice choice={choice} />);
      },
      { session: true },
    )
    .post(
      '/agents/:id/model',
      async ({ who, params, body, request }) => {
        const { agent } = await about(deps, who, params);
        await runners.agentChanged(await agents.update(agent, { model: body.model }));
        return seeOther(request, backTo(request, agent));
      },
      { session: true, body: t.Object({ model: t.String({ maxLength: 1_000 }) }) },
    );
}

/** The page of ours that the form was on; its path only, so that nobody is led elsewhere. */
function backTo(request: Request, { id }: Agent): string {
  const from = URL.parse(request.headers.get('referer') ?? '')?.pathname ?? '';
  return /^\/conversations\/\w+$/.test(from) ? from : `/agents/${id}`;
}

async function about(deps: ModelRoutesDeps, { user }: Who, { id }: { id: string }) {
  const found = await agentWithBackend(deps, user.id, id);
  if (found.backend.userOverridableEnv.includes('LLM_MODEL')) return found;
  throw new AppError('not_found', { message: 'This agent has no choice of models.' });
}

async function listOf(
  { credentials, upstreams }: ModelRoutesDeps,
  who: Who,
  { agent, backend }: { agent: Agent; backend: Backend },
  signal: AbortSignal,
): Promise<{ models: readonly string[]; error?: string }> {
  try {
    // Any model will do: the list of models is what is asked for.
    const upstream = await credentials.upstreamOf({ ...agent, model: agent.model || '-' }, backend);
    return { models: (await upstreams.listModels(upstream, signal)).slice(0, LISTED_MAX) };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'internal') throw error;
    return {
      models: [],
      error: error.code === 'credentials_missing' ? textOf(who).agents.modelMissing : error.message,
    };
  }
}
