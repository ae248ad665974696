/** Turns rows and states into view models. Decides nothing. */

import type { MissingView } from '../../views/credentials/models';
import { withoutUnfinishedLink } from '../../views/markup';
import type {
  AgentView,
  AttachLimits,
  AttachmentView,
  ErrorView,
  MessageView,
  RunnerView,
  Shell,
} from '../../views/models';
import type { Who } from '../accounts/identify';
import type { AgentsService } from '../agents/agents';
import type { Agent } from '../agents/store';
import { isLink, isPicture } from '../attachments/kinds';
import type { DriverRegistry } from '../platforms/drivers';
import type { ImagesService } from '../platforms/images';
import type { Progress } from '../runners/runners';
import type { AnswerUseService } from '../usage/answers';
import { type Reader, textOf } from '../web/reader';
import type { HadText, PageRendering, RenderingService } from '../web/rendering';
import type { AttachmentsService } from './attachments';
import type { ConversationsService } from './conversations';
import { type GenerationsService, INTERRUPTED } from './generations';
import { conversationList } from './present-list';
import { callViews, type Results, resultsIn, stepViews } from './present-steps';
import type { MessageFailure, Step } from './store';
import type { Attachment } from './store-attachments';
import type { ShownMessage } from './store-shown';
import { SHOWN_LENGTH_MAX } from './store-texts';
import type { Variants } from './store-tree';
import { isDown, type UsableDeps } from './usable';

/** Longest error message, and longest hint, that is shown. */
const ERROR_LENGTH_MAX = 4_000;

export interface ChatViewDeps extends UsableDeps {
  readonly agents: AgentsService;
  readonly answerUse: AnswerUseService;
  readonly attachments: AttachmentsService;
  readonly conversations: ConversationsService;
  readonly drivers: DriverRegistry;
  readonly generations: GenerationsService;
  readonly images: ImagesService;
  readonly rendering: RenderingService;
}

/** The agent and the conversation that the page shows. */
export interface Current {
  readonly agentId?: string;
  readonly conversationId?: string;
}

export function runnerView(deps: ChatViewDeps, who: Who, agent: Agent): RunnerView {
  const { state, progress, failure, isStale } = deps.runners.status(agent.id);
  return {
    agentId: agent.id,
    state,
    ...(isStale && { isStale }),
    ...availabilityView(deps, who, agent),
    ...(state === 'starting' && startView(who, progress)),
    // Not a failure of the runner, which the next start forgets.
    ...(state === 'stopped' && progress.stage === 'error' && { message: progress.message }),
    ...(failure && { message: failure.message, ...(failure.hint !== undefined && { hint: failure.hint }) }),
  };
}

/** Why an agent that is down cannot start. Only the administrator sees reasons and remedies. */
function availabilityView(deps: ChatViewDeps, who: Who, agent: Agent): Pick<RunnerView, 'unavailable' | 'image'> {
  const backend = deps.backends.find(agent.backend);
  if (!backend || backend.disabled || !isDown(deps, agent)) return {};
  const forAdmin = ({ message, hint }: { message: string; hint?: string }) =>
    who.user.role === 'admin' ? { message, ...(hint !== undefined && { hint }) } : {};
  const problem = deps.platforms.problemOf(backend.driver);
  if (problem) {
    const platform = deps.drivers.platformOf(backend.driver);
    return { unavailable: { ...(platform !== undefined && { platform }), ...forAdmin(problem) } };
  }
  const image = deps.images.stateOf(backend);
  if (image?.state === 'pulling') return { image: { state: 'pulling' } };
  if (image?.state === 'failed') return { image: { state: 'failed', ...forAdmin(image) } };
  return {};
}

/**
 * The sidebar: the user's default agent of every backend, created at the first visit, and their other agents, those
 * that cannot start last; and the conversations with all of them.
 */
export async function shellOf(deps: ChatViewDeps, who: Who, current: Current): Promise<Shell> {
  const { user } = who;
  await deps.agents.ensureDefaults(user.id);
  const agents = await deps.agents.list(user.id);
  const views = agents
    .map((agent) => agentView(deps, who, agent, current))
    .sort((a, b) => Number(a.runner.unavailable !== undefined) - Number(b.runner.unavailable !== undefined));
  return {
    user: { name: user.name || user.email, email: user.email, admin: user.role === 'admin' },
    agents: views,
    conversations: await conversationList(deps, who, { agents, current }),
  };
}

function agentView(deps: ChatViewDeps, who: Who, agent: Agent, current: Current): AgentView {
  const backend = deps.backends.find(agent.backend);
  return {
    agentId: agent.id,
    backend: agent.backend,
    name: agent.name,
    ...(backend?.description !== undefined && { description: backend.description }),
    suggestions: backend?.suggestions ?? [],
    disabled: backend?.disabled ?? true,
    current: agent.id === current.agentId,
    attach: attachLimits(deps, agent),
    runner: runnerView(deps, who, agent),
  };
}

/** What can be attached to a message for an agent; `undefined` where nothing can. */
export function attachLimits({ attachments, backends }: ChatViewDeps, { backend }: Agent): AttachLimits | undefined {
  return backends.find(backend)?.attachments ? attachments.limits : undefined;
}

export interface AboutMessages {
  readonly reader: Reader;
  readonly agent: Agent;
  /** Position of the newest message of the conversation. */
  readonly lastPosition: number;
  readonly missing?: MissingView | undefined;
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

/** The part of a message's text that pages show now. */
export function shownText(whole: string, isGrowing: boolean): { text: string; isCut: boolean } {
  const isCut = whole.length > SHOWN_LENGTH_MAX;
  const text = whole.slice(0, SHOWN_LENGTH_MAX);
  // Does not cut between the two halves of a surrogate pair.
  const full = /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
  return { text: isGrowing && !isCut ? withoutUnfinishedLink(full) : full, isCut };
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
  const { id, position, role, status, failure, createdAtMs } = message;
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
      !about.isTextThere && { steps: await stepViews(rendering, stepsOf(deps, message), message) }),
    ...(about.variants && { variants: about.variants }),
    // Those of an answer are in its text.
    ...(role === 'user' && about.files && { files: about.files.map(attachmentView) }),
    ...(isCut && { wholeHref: `/messages/${id}/text` }),
    agentName: agent.name,
    ...(status === 'streaming' && progressOf(deps, about.reader, agent.id)),
    // The client of a failed or stopped answer does not run its calls.
    ...(status === 'done' && message.calls && { calls: callViews(id, message.calls, about.results ?? new Map()) }),
    ...(role === 'assistant' && status === 'done' && !isCallback && (await factsOf(deps, about))),
    ...(failure && !interrupted && { error: errorView(about.reader, failure) }),
    ...(asks && { missing }),
  };
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
    ...(code === 'credentials_missing' && {
      action: { href: '/settings#credentials', label: textOf(reader).error.openSettings },
    }),
  };
}

function clip(whole: string, lengthMax: number): string {
  return whole.length <= lengthMax ? whole : `${whole.slice(0, lengthMax)}…`;
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

/** The progress of a start. The duration of a queue is unknown, so it has no percent. */
function startView(
  reader: Reader,
  { stage, percent, place }: Progress,
): { message: string; percent?: number; place?: number } {
  if (place !== undefined) return { message: textOf(reader).runner.queued(place), place };
  return { message: textOf(reader).runner.stages[stage], percent };
}

/** The progress of the runner, while it starts. */
function progressOf(deps: ChatViewDeps, reader: Reader, agentId: string): Pick<MessageView, 'progress'> {
  const { state, progress } = deps.runners.status(agentId);
  if (state !== 'starting') return {};
  return { progress: startView(reader, progress) };
}
