/** Where an answer of `/v1` is kept, for how long, and which failed one it takes the place of. */
import type { Agent } from '../agents/store';
import { goesOnWithTurn, type JsonBody, newestResults, newestUserText } from '../backends/shape';
import type { RecordedTurn } from '../chat/generations/turn';
import type { Conversation, Message } from '../chat/store/conversations';
import type { Newest } from '../chat/store/messages';
import { AppError } from '../lib/errors';
import { type Soon, whenThere } from '../lib/lookup';
import type { OpenaiDeps } from './deps';
import type { Routed } from './resolve';

/** A turn whose answer did not end well and that is asked for again: clients send a request that failed once more. */
interface FailedTurn {
  readonly conversation: Conversation;
  readonly answer: Message;
  /** Position of the newest message before the turn. */
  readonly before: number;
}

/** Bytes of one request that are stored. The database takes 25 ms for this much, and everybody waits for it. */
const STORED_BYTES_MAX = 2_097_152;

/** Whether an answer is kept: on the client's word, or unasked, as OpenAI keeps every response. */
export type Keeping = 'asked' | 'unasked' | undefined;

/** @param isTranslated a runtime that serves responses itself keeps its own. */
export function keepingOf(deps: OpenaiDeps, body: JsonBody, how: { detach: boolean; isTranslated: boolean }): Keeping {
  // An answer that continues without its client must be stored (law 9).
  if (how.detach || body.store === true) return 'asked';
  return how.isTranslated && body.store == null && deps.config.responses.areKept ? 'unasked' : undefined;
}

/** Whether what a turn says is short enough to be stored. */
export function fitsInStore({ text = '', results = [] }: Pick<RecordedTurn, 'text' | 'results'>): boolean {
  return (
    [text, ...results.map(({ output }) => output)].reduce((sum, one) => sum + Buffer.byteLength(one), 0) <=
    STORED_BYTES_MAX
  );
}

export function tooLongToStore(): AppError {
  const message = `At most ${STORED_BYTES_MAX} bytes of a message or of results of tools can be stored.`;
  return new AppError('too_large', { message, hint: 'Send "store": false to have the answer without storing it.' });
}

/** Where a request goes on in a conversation, and the newest message there. */
interface Place {
  readonly conversation: Conversation;
  readonly goesOnFrom: number | undefined;
  readonly newest: Newest | undefined;
}

interface TurnThere {
  readonly failed?: FailedTurn | undefined;
  readonly posted?: Message | undefined;
}

/**
 * The part of the requested turn that the conversation has already: the newest turn, when the request says it again
 * after an answer that did not end well, or the user's message, when the client has stored that itself. Nothing to wait for
 * where the newest message is an answer that ended well, as nearly always.
 * @param said the messages or items of the request.
 */
export function turnThere(
  deps: OpenaiDeps,
  routed: Routed,
  said: readonly unknown[],
  keeping: Keeping,
): Soon<TurnThere> {
  const { conversation, goesOnFrom, path, agent } = routed;
  if (!conversation) return keeping ? failedFirstTurn(deps, agent, said).then((failed) => ({ failed })) : {};
  // A turn that follows a hidden variant is a fork.
  if (path) return {};
  const reading = 'newest' in routed ? routed.newest : deps.conversations.newest(conversation.id);
  return whenThere(reading, (newest) => {
    const place = { conversation, goesOnFrom, newest };
    return whenThere(failedIn(deps, place, said), (failed) =>
      failed ? { failed } : whenThere(postedMessage(deps, place, said), (posted) => ({ posted })),
    );
  });
}

/** The only turn of a conversation that the same message has begun. */
async function failedFirstTurn(
  deps: OpenaiDeps,
  agent: Agent,
  said: readonly unknown[],
): Promise<FailedTurn | undefined> {
  const id = deps.generations.begunWith(agent.id, newestUserText(said));
  const conversation = id === undefined ? undefined : await deps.conversations.find(agent.userId, id);
  if (!conversation) return undefined;
  const newest = await deps.conversations.newest(conversation.id);
  const failed = await failedIn(deps, { conversation, goesOnFrom: undefined, newest }, said);
  // A longer conversation is another one, which only came to the same message.
  return failed && (await deps.conversations.heads(failed.conversation.id, { limit: 3 })).length === 2
    ? failed
    : undefined;
}

/** The user's message that the client has stored before it asks for the answer to it: the newest one, with the same text. */
function postedMessage(
  { conversations }: OpenaiDeps,
  { conversation, goesOnFrom, newest: found }: Place,
  said: readonly unknown[],
): Soon<Message | undefined> {
  if (found?.role !== 'user' || goesOnWithTurn(said)) return undefined;
  if (goesOnFrom !== undefined && goesOnFrom !== conversation.lastPosition) return undefined;
  return conversations
    .findMessage(conversation.userId, found.id)
    .then((posted) => (posted?.message.content.trim() === newestUserText(said).trim() ? posted.message : undefined));
}

function failedIn(deps: OpenaiDeps, place: Place, said: readonly unknown[]): Soon<FailedTurn | undefined> {
  const { conversation, goesOnFrom, newest } = place;
  const isNewest = goesOnFrom === undefined || goesOnFrom === conversation.lastPosition;
  // Nearly every answer ends well, and then there is no more to read.
  if (isNewest && newest?.status !== 'failed' && newest?.status !== 'stopped') return undefined;
  return failedAt(deps, place, said);
}

async function failedAt(
  { conversations }: OpenaiDeps,
  { conversation, goesOnFrom }: Place,
  said: readonly unknown[],
): Promise<FailedTurn | undefined> {
  const { id, lastPosition } = conversation;
  const isNewest = goesOnFrom === undefined || goesOnFrom === lastPosition;
  const heads = isNewest
    ? await conversations.heads(id, { limit: 2 })
    : await conversations.heads(id, { after: goesOnFrom, limit: 3 });
  const last = heads.at(-1);
  // More than a turn after the answer that the request goes on from is another branch.
  if (heads.length > 2 || (last?.status !== 'failed' && last?.status !== 'stopped')) return undefined;
  const tail = await conversations.page(id, { before: last.position + 1, limit: heads.length });
  const [user, answer] = tail.length === 2 ? tail : [undefined, tail[0]];
  if (answer?.role !== 'assistant') return undefined;
  // A turn goes on with what the client's tools found, or begins with what the user says.
  const goesOn = goesOnWithTurn(said);
  const isSame = goesOn
    ? Bun.deepEquals(answer.results ?? [], newestResults(said))
    : user?.role === 'user' && user.content === newestUserText(said);
  const before = (goesOn ? answer.position : (user?.position ?? 0)) - 1;
  // A continued turn consists of the answer alone.
  const isAlone = isNewest || tail.length === (goesOn ? 1 : 2);
  return isSame && isAlone ? { conversation, answer, before } : undefined;
}
