/** Serves `/v1/responses/{id}`: reads and deletes stored responses. */

import type { Caller } from '../../accounts/identify';
import { opens } from '../../accounts/keys/keys';
import { ToldFiles } from '../../chat/generations/told';
import { Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { type Holding, heldBody } from '../../web/answers/held-body';
import type { Incoming } from '../../web/patience';
import type { OpenaiDeps } from '../deps';
import { answerOf, responseNotFound } from '../resolve';
import { inputItems, responseFrom } from './stored-items';

const ITEMS_DEFAULT = 20;
const ITEMS_MAX = 100;

interface StoredRequest {
  readonly incoming: Incoming;
  /** Id of the response. */
  readonly id: string;
  /** The rest of the path after the id; empty if there is none. */
  readonly part: string;
}

/**
 * Answers a request about a stored response. Throws `not_found` if it does not exist, belongs to another user, or
 * belongs to an agent that the key does not allow.
 */
export async function storedResponse(
  deps: OpenaiDeps,
  who: Caller,
  { incoming, id, part }: StoredRequest,
): Promise<Response> {
  const { request } = incoming;
  const holding = { held: deps.held, holder: who.user.id, incoming };
  const { message, conversation } = await answerOf(deps, who, { responseId: id, param: 'response_id' });
  const agent = await deps.agents.get(who.user.id, conversation.agentId);
  if (!opens(who.key, agent)) throw responseNotFound(id, 'response_id');
  const query = new URL(request.url).searchParams;
  const isHead = request.method === 'HEAD';
  const what = `${isHead ? 'GET' : request.method} ${part}`;
  if (what === 'GET ') {
    if (query.get('stream') === 'true') throw notInBackground('stream', 'streamed again');
    return written(holding, isHead, async () => JSON.stringify(responseFrom(message, agent.backend)));
  }
  if (what === 'GET input_items') {
    const path = await deps.conversations.hiddenPath(message);
    const [before] = await deps.conversations.page(conversation.id, { before: message.position, limit: 1, path });
    const files = new ToldFiles(deps.attachments);
    const own = before && (await deps.attachments.ofMessages([before])).get(before.id);
    const items = inputItems(message, before, files.input(before?.content ?? '', own ?? []));
    const list = listOf(items, query);
    return written(holding, isHead, (share) => files.write(list, share));
  }
  if (what === 'DELETE ') {
    // A turn that waits to be stored is seen by what deletes, and its conversation is not empty.
    await deps.generations.written(conversation.id);
    await deps.conversations.deleteAnswer(who.user.id, message);
    return Response.json({ id, object: 'response', deleted: true });
  }
  if (what === 'POST cancel') throw notInBackground('response_id', 'cancelled');
  if (part !== '' && part !== 'input_items') throw new AppError('not_found', { message: 'This path does not exist.' });
  const allow = part === '' ? ['GET', 'DELETE'] : ['GET'];
  throw new AppError('method_not_allowed', { message: 'A stored response can only be read and deleted.', allow });
}

/** OpenAI refuses like this what it only does with responses that were made in the background, and none is here. */
function notInBackground(param: string, what: string): AppError {
  const message = `This response cannot be ${what}, because it was not created with "background": true.`;
  return new AppError('invalid_request', { message, param });
}

/** @param write makes the JSON, with the memory that it takes for that. Its result may be long, too, and slowly read. */
async function written(
  holding: Holding,
  isHead: boolean,
  write: (share: Share) => Promise<string | Uint8Array<ArrayBuffer>>,
): Promise<Response> {
  const share = new Share(holding.held, holding.holder);
  const json = await write(share).finally(() => share.end());
  const bytes = typeof json === 'string' ? new TextEncoder().encode(json) : json;
  const type = { 'content-type': 'application/json' };
  // The server does not send the length of a stream.
  if (isHead) return new Response(null, { headers: { ...type, 'content-length': String(bytes.length) } });
  return new Response(heldBody(bytes, holding), { headers: type });
}

/** Returns a page of a list by OpenAI's parameters. Throws `invalid_request` that names the parameter. */
function listOf(items: readonly { readonly id: string }[], query: URLSearchParams): object {
  const limit = Number(query.get('limit') ?? ITEMS_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > ITEMS_MAX) throw invalid('limit', `must be 1 to ${ITEMS_MAX}`);
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalid('order', 'must be asc or desc');
  const ordered = order === 'asc' ? items : items.toReversed();
  const after = query.get('after');
  const start = after === null ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) throw invalid('after', 'names no item of this response');
  const data = ordered.slice(start, start + limit);
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return { object: 'list', data, ...ends, has_more: start + limit < ordered.length };
}

function invalid(param: string, what: string): AppError {
  return new AppError('invalid_request', { message: `"${param}" ${what}.`, param });
}
