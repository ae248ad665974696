/** `item_reference`: a client names a stored item by its id instead of sending it again. */
import type { Caller } from '../../accounts/identify';
import { opens } from '../../accounts/keys/keys';
import type { JsonBody } from '../../backends/shape';
import { ToldFiles } from '../../chat/generations/told';
import type { Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { OpenaiDeps } from '../deps';
import { afterEnding } from '../resolve';
import { record } from './faults';
import { itemsOf } from './stored-items';

const ITEM_ID = /^(?:msg|fc|fco|rs)_([0-9a-f]{24})(?:_\d+)?$/;
/** Prefix of reasoning items. A model goes on without one that is missing: it may be another API's, or was too long to be stored. */
const REASONING_ID = /^rs_/;
/** Each reference is looked up in the database. */
const REFERENCES_MAX = 1_000;

/**
 * Returns the request with the items in place of their references. Throws `not_found` that names the missing one.
 * @param share charged with the files that come with them. Throws the error with which it refuses.
 */
export async function withReferences(
  deps: OpenaiDeps,
  { who, share }: { who: Caller; share: Share },
  body: JsonBody,
): Promise<JsonBody> {
  const { input } = body;
  if (!Array.isArray(input) || !input.some((item) => referenceIn(item) !== undefined)) return body;
  const found = new Map<string, readonly { readonly id: string }[]>();
  const items: unknown[] = [];
  for (const [index, item] of input.entries()) {
    const id = referenceIn(item);
    if (id === undefined) items.push(item);
    else {
      const messageId = ITEM_ID.exec(id)?.[1];
      if (messageId !== undefined && !found.has(messageId) && found.size < REFERENCES_MAX) {
        found.set(messageId, await storedItems(deps, { who, share }, messageId));
      }
      const stored = found.get(messageId ?? '')?.find((one) => one.id === id);
      if (stored) items.push(stored);
      else if (!REASONING_ID.test(id)) throw gone(id, `input[${index}].id`);
    }
  }
  return { ...body, input: items };
}

/** Returns the id of a reference; `undefined` if the item is none. A reference may have no type. */
function referenceIn(item: unknown): string | undefined {
  const { type, role, id } = record(item) ?? {};
  const isReference = type === 'item_reference' || (type == null && role === undefined);
  return isReference && typeof id === 'string' ? id : undefined;
}

/** Returns the items of a stored message; nothing if it does not exist, or the user or the key has no access to it. */
async function storedItems(deps: OpenaiDeps, { who, share }: { who: Caller; share: Share }, messageId: string) {
  const find = () => deps.conversations.findMessage(who.user.id, messageId);
  const now = await find();
  const isOpen = now?.message.status === 'streaming';
  const found = isOpen ? await afterEnding(deps, now.conversation.id, find) : now;
  if (!found) return [];
  const agent = await deps.agents.get(who.user.id, found.conversation.agentId);
  if (!opens(who.key, agent)) return [];
  if (found.message.status === 'streaming') throw new AppError('answer_running');
  const { message } = found;
  const own = (await deps.attachments.ofMessages([message])).get(message.id);
  if (!own) return itemsOf(message);
  // With the bytes of its files, as if the client had sent them again.
  const files = new ToldFiles(deps.attachments);
  const written = await files.write(itemsOf(message, files.input(message.content, own)), share);
  const text = typeof written === 'string' ? written : new TextDecoder().decode(written);
  return JSON.parse(text) as ReturnType<typeof itemsOf>;
}

function gone(id: string, param: string): AppError {
  const message = `${param}: no item "${id.slice(0, 100)}" is stored. It was not stored ("store": false), was deleted, or has expired: send the item itself.`;
  return new AppError('not_found', { message, param });
}
