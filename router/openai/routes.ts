/** `/v1`: serves OpenAI's API. */
import { Elysia } from 'elysia';
import type { Server } from 'elysia/universal';
import type { Caller, CallerPlugin } from '../accounts/identify';
import { decoded } from '../lib/text';
import { answerOnce } from './answer-once';
import { type Answered, Asked } from './asked';
import type { OpenaiDeps } from './deps';
import { exchange } from './exchange';
import { isResponseId, modelNotFound, modelsFor } from './resolve';
import { storedResponse } from './responses/stored';

/** @param serverOf Returns the listener. Asking Elysia for it would cost each request a property. */
export function openaiRoutes(deps: OpenaiDeps, caller: CallerPlugin, serverOf: () => Server | null) {
  return new Elysia({ name: 'openai' })
    .use(caller)
    .get('/v1/models', ({ who }) => models(deps, who), { caller: true })
    .get('/v1/models/*', ({ who, params }) => model(deps, who, params['*']), { caller: true })
    .all(
      '/v1/*',
      ({ who, request, params, set }) => {
        const stored = storedResponseIn(params['*']);
        if (stored) return storedResponse(deps, who, { incoming: { request, server: serverOf() }, ...stored });
        const asked = new Asked(deps, who, request, set as Answered, serverOf());
        const key = request.method === 'POST' ? request.headers.get('idempotency-key') : null;
        return key === null ? exchange(asked) : answerOnce(asked, key);
      },
      { caller: true, parse: 'none' },
    );
}

/** The stored response that a path below `/v1/` names, and which part of it. */
function storedResponseIn(path: string) {
  if (!path.startsWith('responses/')) return undefined;
  const [, id = '', ...rest] = path.split('/');
  return isResponseId(id) ? { id, part: rest.join('/') } : undefined;
}

async function models(deps: OpenaiDeps, who: Caller) {
  const { shared: backends, own: agents } = await modelsFor(deps, who);
  // `created` is a property of the catalogue, not the current time, because clients cache by it.
  const created = Math.floor(deps.startedAtMs / 1000);
  const one = (id: string, backend: string, running: boolean, displayName?: string) => {
    const { contextWindow, maxTokens } = deps.backends.find(backend) ?? {};
    return {
      ...{ id, object: 'model', created, owned_by: 'agent-stack', root: backend, running },
      ...(displayName !== undefined && { display_name: displayName }),
      ...(contextWindow !== undefined && { context_window: contextWindow }),
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    };
  };
  const shared = backends.map(({ id, backend, displayName }) => {
    const running = agents.some((agent) => agent.backend === backend && deps.runners.isWarm(agent.id));
    return one(id, backend, running, displayName);
  });
  const own = agents.map(({ id, slug, backend, name }) => one(`@${slug}`, backend, deps.runners.isWarm(id), name));
  return { object: 'list', data: [...shared, ...own] };
}

/** @param path A model id, as written in a URL. */
async function model(deps: OpenaiDeps, who: Caller, path: string) {
  const id = decoded(path);
  const found = (await models(deps, who)).data.find((one) => one.id === id);
  if (!found) throw await modelNotFound(deps, who, id);
  return found;
}
