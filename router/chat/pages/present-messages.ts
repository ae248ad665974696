/** Turns the messages of a conversation into view models. */
import type { MissingView } from '../../../views/credentials/models';
import { withoutUnfinishedLink } from '../../../views/markup';
import type { AttachmentView, ErrorView, MessageView } from '../../../views/models';
import type { Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import { isLink, isPicture } from '../../attachments/kinds';
import { clip, wholeLength } from '../../lib/text';
import { type Reader, textOf } from '../../web/reader';
import type { HadText, PageRendering } from '../../web/rendering/rendering';
import type { Attachment } from '../attachments/store';
import { INTERRUPTED } from '../generations/generations';
import type { Conversation, MessageFailure, Step, ToolCall } from '../store/conversations';
import type { ShownMessage } from '../store/shown';
import { SHOWN_LENGTH_MAX } from '../store/texts';
import type { Variants } from '../store/tree';
import type { ChatViewDeps } from './present';
import { progressOf } from './present-runner';
import { callsFoldView, callViews, foldView, type Results, resultsIn, stepViews } from './present-steps';

/** Longest error message, and longest hint, that is shown. */
const ERROR_LENGTH_MAX = 4_000;
/** What is mended in Settings has a button that leads there. */
const NAMES_SETTINGS = /\bLLM_(?:BASE_URL|API_KEY|MODEL)\b|\bin Settings\b/;

export interface AboutMessages {
  readonly reader: Reader;
  readonly agent: Agent;
  /** Position of the newest message of the conversation. */
  readonly lastPosition: number;
  readonly missing?: MissingView | undefined;
}

/** What the messages of a conversation have in common. */
export function aboutMessages(
  reader: Reader,
  agent: Agent,
  { goesOnFrom, lastPosition }: Pick<Conversation, 'goesOnFrom' | 'lastPosition'>,
): AboutMessages {
  return { reader, agent, lastPosition: goesOnFrom ?? lastPosition };
}

/** Messages of a page, oldest first. */
export async function messageViews(
  deps: ChatViewDeps,
  who: Who,
  about: AboutMessages & { readonly messages: readonly ShownMessage[] },
): Promise<MessageView[]> {
  const rendering = deps.rendering.page(who.user.id);
  const views: MessageView[] = [];
  // Renders the newest first, because readers look at these first, and the page's time limit may not suffice for all.
  const results = resultsIn(about.messages);
  const variants = await deps.conversations.variants(about.messages);
  const files = await deps.attachments.ofMessages(about.messages);
  let nextMs: number | undefined;
  for (const message of about.messages.toReversed()) {
    const own = { message, results, nextMs, variants: variants.get(message.position), files: files.get(message.id) };
    views.push(await messageView(deps, rendering, { ...about, ...own }));
    nextMs = message.createdAtMs;
  }
  return views.reverse();
}

/**
 * The part of a message's text that pages show now.
 * @param hadLength how much of it a page has: the words that a link has begun with stay, until the link takes their place.
 */
export function shownText(whole: string, isGrowing: boolean, hadLength = 0): { text: string; isCut: boolean } {
  const isCut = whole.length > SHOWN_LENGTH_MAX;
  const full = whole.slice(0, wholeLength(whole, Math.min(whole.length, SHOWN_LENGTH_MAX)));
  if (!isGrowing || isCut) return { text: full, isCut };
  return { text: full.slice(0, Math.max(withoutUnfinishedLink(full).length, hadLength)), isCut };
}

/** The part of a growing answer's text that a page with this view shows. */
export function hadOf({ growing, text: { length } }: MessageView): HadText | undefined {
  return growing && { settled: growing.settled, shown: length, isPlain: growing.isPlain ?? false };
}

/**
 * @param about `isTextThere`: the page has the text and the steps of the answer, and gets what is around them. `nextMs`:
 * when the next message was written.
 */
export async function messageView(
  deps: ChatViewDeps,
  rendering: PageRendering,
  about: AboutMessages & {
    readonly message: ShownMessage;
    readonly isTextThere?: boolean;
    readonly results?: Results;
    readonly nextMs?: number | undefined;
    readonly variants?: Variants | undefined;
    readonly files?: readonly Attachment[] | undefined;
  },
): Promise<MessageView> {
  const { agent, message, lastPosition, missing } = about;
  const { id, position, role, status, failure, incomplete, createdAtMs } = message;
  const isCallback = message.callbackId !== null;
  const { text: first, isCut } = shownText(deps.generations.textOf(id) ?? message.content, status === 'streaming');
  const interrupted = failure?.code === INTERRUPTED;
  const retryable = role === 'assistant' && (status === 'failed' || status === 'stopped') && position === lastPosition;
  const asks = retryable && status === 'failed' && missing !== undefined;
  return {
    ...{ id, position, role, status, createdAtMs, interrupted, retryable },
    text: first,
    ...(isCallback && { isCallback }),
    ...(role !== 'user' &&
      !about.isTextThere &&
      (status === 'streaming'
        ? { growing: await rendering.growing(id, first) }
        : { html: await rendering.whole(first) })),
    ...(role === 'assistant' &&
      !about.isTextThere &&
      (await stepsIn(deps, rendering, { message, hasText: first !== '' }))),
    ...(about.variants && { variants: about.variants }),
    // The pictures of an answer are in its text.
    ...(role === 'user' && about.files && { files: about.files.map(attachmentView) }),
    ...(isCut && { wholeHref: `/messages/${id}/text` }),
    agentName: agent.name,
    ...(status === 'streaming' && progressOf(deps, about.reader, agent.id)),
    // The client of a failed or stopped answer does not run its calls.
    ...(status === 'done' && message.calls && callsIn(message, message.calls, about.results)),
    ...(incomplete && { incomplete }),
    ...(incomplete === 'length' && position === lastPosition && { goOnAction: goOnAction(message) }),
    ...(role === 'assistant' && status === 'done' && !isCallback && (await factsOf(deps, about))),
    ...(failure && !interrupted && { error: errorView(about.reader, failure) }),
    ...(asks && { missing }),
  };
}

/** The known steps of an answer, and their line. */
async function stepsIn(
  deps: ChatViewDeps,
  rendering: PageRendering,
  { message, hasText }: { message: ShownMessage; hasText: boolean },
): Promise<Pick<MessageView, 'steps' | 'fold'>> {
  const steps = stepsOf(deps, message);
  const so = { isEnd: message.status !== 'streaming', hasText };
  return { steps: await stepViews(rendering, steps, message), fold: foldView(steps, so) };
}

function callsIn(
  message: ShownMessage,
  calls: readonly ToolCall[],
  results: Results = new Map(),
): Pick<MessageView, 'calls' | 'callsFold'> {
  return { calls: callViews(message, calls, results), callsFold: callsFoldView(message, calls) };
}

/** A message like any other asks the agent to go on. */
function goOnAction({ conversationId }: ShownMessage): string {
  return `/conversations/${conversationId}/messages`;
}

export function attachmentView(file: Attachment): AttachmentView {
  const { id, name, bytes, width, height } = file;
  const size = width !== null && height !== null ? { width, height } : {};
  const host = isLink(file) && { host: URL.parse(name)?.host ?? name };
  return { id, name, bytes, isPicture: isPicture(file), ...size, ...host };
}

/** The message comes from a runner or an upstream. */
function errorView(reader: Reader, { code, message, hint }: MessageFailure): ErrorView {
  return {
    message: clip(message, ERROR_LENGTH_MAX),
    ...(hint !== undefined && { hint: clip(hint, ERROR_LENGTH_MAX) }),
    ...((code === 'credentials_missing' || NAMES_SETTINGS.test(message)) && {
      action: { href: '/settings#credentials', label: textOf(reader).error.openSettings },
    }),
  };
}

/** The known steps of an answer. */
export function stepsOf(
  { generations }: Pick<ChatViewDeps, 'generations'>,
  { id, steps }: ShownMessage,
): readonly Step[] {
  return generations.stepsOf(id) ?? steps ?? [];
}

async function factsOf(
  { answerUse }: ChatViewDeps,
  { agent, message, nextMs }: { agent: Agent; message: ShownMessage; nextMs?: number | undefined },
): Promise<Pick<MessageView, 'facts'>> {
  const { conversationId, createdAtMs: fromMs, endedAtMs: toMs } = message;
  if (toMs === null) return {};
  const { models = [], ...used } =
    (await answerUse.usedFor({ userId: agent.userId, conversationId, fromMs, toMs, nextMs })) ?? {};
  return { facts: { tookMs: toMs - fromMs, models, ...used } };
}
