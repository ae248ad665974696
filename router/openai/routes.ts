/** `/v1`: serves OpenAI's API. */
import { Elysia } from 'elysia';
import type { Server } from 'elysia/universal';
import type { Caller, CallerPlugin } from '../accounts/identify';
import type { Share } from '../lib/allowance';
import { decoded } from '../lib/text';
import { urlParts } from '../net/url-parts';
import { readBody } from '../web/bodies/read';
import { waitNoLonger } from '../web/patience';
import { answerOnce } from './answer-once';
import type { OpenaiDeps } from './deps';
import { exchange } from './exchange';
import { plan as planOf } from './plan';
import { isResponseId, modelNotFound, modelsFor } from './resolve';
import { storedResponse } from './responses/stored';

type Bytes = Uint8Array<ArrayBuffer>;

/** @param serverOf Returns the listener. Asking Elysia for it would cost each request a property. */
export function openaiRoutes(deps: OpenaiDeps, caller: CallerPlugin, serverOf: () => Server | null) {
  return new Elysia({ name: 'openai' })
    .use(caller)
    .get('/v1/models', ({ who }) => models(deps, who), { caller: true })
    .get('/v1/models/*', ({ who, params }) => model(deps, who, params['*']), { caller: true })
    .all(
      '/v1/*',
      ({ who, request, params, set }) => {
        const [noun, id, ...rest] = params['*'].split('/');
        if (noun === 'responses' && id !== undefined && isResponseId(id)) {
          return storedResponse(deps, who, { request, id, part: rest.join('/') });
        }
        const detach = request.headers.get('x-agent-stack-detach') === 'true';
        const onEnd = () => waitNoLonger(serverOf(), request);
        const { method, headers, url } = request;
        const plan = (bytes: Bytes, share: Share) =>
          planOf(deps, who, { method, headers, url: urlParts(url), detach, bytes, share });
        const asked = { request, headers: set.headers, detach, onEnd, plan };
        const read = (share: Share) =>
          readBody(request, { maxBytes: deps.config.maxBodyBytes, share, listener: serverOf(), isPatient: true });
        const key = request.method === 'POST' ? request.headers.get('idempotency-key') : null;
        if (key !== null) {
          const answer = (bytes: Bytes, ended: () => void) =>
            exchange(deps, who, { ...asked, read: () => bytes, onEnd: ended });
          return answerOnce(deps, who, { request, key, read, answer, onEnd });
        }
        // The headers are in the answer then. If Elysia added them, it would turn the finished body into a stream.
        const onAnswer = () => {
          set.headers = {};
        };
        return exchange(deps, who, { ...asked, read, onAnswer });
      },
      { caller: true, parse: 'none' },
    );
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
