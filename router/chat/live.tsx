/**
 * The one live stream of a chat page: everything that changes on it arrives here, as parts that name their place, and
 * as changes of the answer that grows.
 *
 * Each event's id says what the page then has (seen.ts). So a page that was away (a hidden tab, a lost network) says
 * where it is, at `/live` in routes.tsx, and gets the rest.
 */
import type { JSX } from 'preact';
import {
  growthData,
  LiveAnnouncement,
  LiveComposerActions,
  LiveMessageAppend,
  LiveMessageAround,
  LiveMessageRemove,
  LiveMessageReplace,
} from '../../views/chat/live';
import type { Change } from '../../views/growth';
import { missingView } from '../credentials/present';
import type { RouterEvent } from '../lib/events';
import { httpLog } from '../lib/log';
import type { HadText, PageRendering } from '../web/rendering';
import { partHtml } from '../web/respond';
import { type EventWriter, eventStream } from '../web/sse';
import { GrowingOnPage } from './live-growing';
import type { LiveDeps, LiveOptions } from './live-options';
import { LiveShelf } from './live-shelf';
import { LiveSidebar } from './live-sidebar';
import { StepsOnPage } from './live-steps';
import { type AboutMessages, hadOf, messageView, shownText, stepsOf } from './present';
import { formatSeen } from './seen';
import type { Attachment } from './store-attachments';
import type { ShownMessage } from './store-shown';
import type { Variants } from './store-tree';

/** Messages in one event: there may be any number that a page has not seen. */
const MESSAGES_AT_A_TIME = 20;
/** Ids of removed messages that a page has not been told yet. Beyond it, the page is closed and comes back. */
const REMOVED_MAX = 1_000;

export function liveStream(deps: LiveDeps, options: LiveOptions): Response {
  return eventStream(options.request, (writer) => {
    const { user, credentialId } = options.who;
    // First: it may refuse.
    const forget = deps.streams.addLive({ userId: user.id, credentialId }, writer.close);
    const live = new Live(deps, options, writer);
    const leave = options.conversation && deps.unread.show(options.conversation.row.id);
    const unsubscribe = deps.events.subscribe(user.id, (event) => live.onEvent(event));
    live.wake();
    if (options.conversation) {
      deps.unread.read(user.id, options.conversation.row.id).catch((error: unknown) => {
        httpLog.error({ err: error }, 'live.unread_failed');
      });
    }
    return () => {
      live.close();
      leave?.();
      unsubscribe();
      forget();
    };
  });
}

const NOTHING: HadText = { settled: 0, shown: 0 };

/** One page's end of the stream. Works off what changed in order, one look at it at a time. */
class Live {
  readonly #sidebar: LiveSidebar;
  readonly #removed = new Set<string>();
  readonly #growing: GrowingOnPage;
  /** Of the answer that is being written; absent when it is not known what the page has of them. */
  #steps: StepsOnPage | undefined;
  readonly #shelf: LiveShelf;
  /** Of the newest message that the page has. Callbacks may be behind the one that is growing. */
  #position: number;
  /** After this position the page has messages that are not shown any more. */
  #pathAfter = Number.POSITIVE_INFINITY;
  /** The part of the newest message that the connecting page shows, until the first comparison. */
  #hadAtConnect: HadText | undefined;
  /** Something other than the text of the growing answer. */
  #isChanged = false;
  #isHereChanged = true;
  #isWorking = false;
  #again = false;
  #isClosed = false;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
    readonly writer: EventWriter,
  ) {
    this.#sidebar = new LiveSidebar(deps, options);
    this.#growing = new GrowingOnPage({
      textOf: deps.generations.textOf,
      look: () => this.#look(),
      send: (changes) => this.#send({ event: 'grow', data: growthData(changes) }),
    });
    this.#shelf = new LiveShelf(deps, options);
    this.#position = options.seen?.position ?? 0;
    this.#hadAtConnect = options.seen?.growing;
  }

  close(): void {
    this.#isClosed = true;
    this.#growing[Symbol.dispose]();
  }

  onEvent(event: RouterEvent): void {
    if (event.kind === 'revoked' || event.kind === 'shut-out') return;
    if (event.kind === 'callback' || event.kind === 'user') return;
    if (event.kind === 'message.grew') {
      if (event.messageId === this.#growing.message?.messageId && !this.#isWorking) this.#noticeGrowth();
      return;
    }
    this.#sidebar.onEvent(event);
    if (this.#isHere(event)) {
      this.#isHereChanged = true;
      if (event.kind === 'message.removed') this.#removed.add(event.messageId);
      if (event.kind === 'path') this.#pathAfter = Math.min(this.#pathAfter, event.after);
      if (this.#removed.size > REMOVED_MAX) this.writer.close();
    }
    this.wake();
  }

  /** Whether an event is about the page's conversation, or the start that its answer waits for. */
  #isHere(event: RouterEvent): boolean {
    const { row, agent } = this.options.conversation ?? {};
    if ('conversationId' in event) return event.conversationId === row?.id;
    return event.kind === 'runner' && event.agentId === agent?.id;
  }

  /** Looks at everything that changed, now or right after the look that is under way. */
  wake(): void {
    this.#isChanged = true;
    this.#look();
  }

  #wakeHere(): void {
    this.#isHereChanged = true;
    this.wake();
  }

  #look(): void {
    this.#again = true;
    if (this.#isWorking) return;
    this.#work().catch((error: unknown) => {
      httpLog.error({ err: error }, 'live.broke');
      // The page comes back by itself and reads the state anew.
      this.writer.close();
    });
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    try {
      while (this.#again && !this.#isClosed) {
        this.#again = false;
        if (this.#isChanged) await this.#tellChanges();
        else await this.#tellGrowth();
      }
    } finally {
      this.#isWorking = false;
    }
    if (!this.#isClosed) this.#noticeGrowth();
  }

  #noticeGrowth(): void {
    const { messageId } = this.#growing.message ?? {};
    const steps = messageId === undefined ? undefined : this.deps.generations.stepsOf(messageId);
    this.#growing.noticeGrowth(this.#steps?.growth(steps ?? []) ?? 0);
  }

  async #tellChanges(): Promise<void> {
    this.#isChanged = false;
    const around = await this.#sidebar.parts();
    const parts = [...around, ...(await this.#conversationParts())];
    // Changes during this send are read after it: a slow reader gets fewer updates, and nothing waits for the reader.
    if (parts.length > 0) await this.#send({ data: parts.map((part) => partHtml(this.options.who, part)).join('') });
  }

  /** Without a look at the database. */
  async #tellGrowth(): Promise<void> {
    const { messageId } = this.#growing.message ?? {};
    const text = messageId === undefined ? undefined : this.deps.generations.textOf(messageId);
    if (messageId === undefined || text === undefined) return;
    const beganMs = performance.now();
    const steps = this.deps.generations.stepsOf(messageId) ?? [];
    const parts = (await this.#steps?.tell(this.#rendering(), { steps, isEnd: false }, this.#think)) ?? [];
    if (parts.length > 0) await this.#send({ data: parts.map((part) => partHtml(this.options.who, part)).join('') });
    const { text: shown, isCut } = shownText(text, true);
    const isThere = await this.#growing.grow(this.#rendering(), messageId, { text: shown, isEnd: false, beganMs });
    // The page gets a word about it, or the message anew.
    if (!isThere || (isCut && this.#growing.hasAll(shown))) this.#wakeHere();
  }

  readonly #think = (changes: readonly Change[]) => this.#send({ event: 'think', data: growthData(changes) });

  async #send(event: { event?: string; data: string }): Promise<void> {
    if (this.#isClosed) return;
    const { message } = this.#growing;
    // A page that comes back gets what is behind the growing message once more, which does no harm (app/swap.js).
    const position = Math.min(this.#position, message?.position ?? this.#position);
    const seen = { position, growing: message?.had, steps: this.#steps?.seen ?? 0 };
    await this.writer.send({ id: formatSeen(seen), ...event });
  }

  #rendering(): PageRendering {
    return this.deps.rendering.page(this.options.who.user.id);
  }

  async #conversationParts(): Promise<JSX.Element[]> {
    const { conversation } = this.options;
    if (!conversation || !this.#isHereChanged) return [];
    this.#isHereChanged = false;
    const row = await this.deps.conversations.find(this.options.who.user.id, conversation.row.id);
    const parts = await this.#shelf.parts(row);
    if (!row) {
      this.#growing.message = undefined;
      return parts;
    }
    parts.push(...[...this.#removed].map((id) => <LiveMessageRemove messageId={id} />));
    if (this.#removed.has(this.#growing.message?.messageId ?? '')) {
      this.#growing.message = undefined;
      parts.push(<LiveComposerActions />);
    }
    this.#removed.clear();
    this.#position = Math.min(this.#position, this.#pathAfter);
    this.#pathAfter = Number.POSITIVE_INFINITY;
    // The one that was growing on the page is looked at again.
    const growingAt = this.#growing.message?.position ?? (this.#hadAtConnect && this.#position);
    const after = Math.min(this.#position, (growingAt ?? Number.POSITIVE_INFINITY) - 1);
    const { messages, hasMore } = await this.deps.conversations.shown(conversation.row.id, {
      after,
      limit: MESSAGES_AT_A_TIME,
    });
    if (hasMore) this.#wakeHere();
    const { agent } = conversation;
    const last = messages.at(-1);
    const missing = await missingView(this.deps, this.options.who, { agent, message: last });
    const about = { reader: this.options.who, agent, lastPosition: last?.position ?? 0, missing };
    const rendering = this.#rendering();
    const variants = await this.deps.conversations.variants(messages);
    const files = await this.deps.attachments.ofMessages(messages);
    for (const message of messages) {
      const own = { ...about, message, variants: variants.get(message.position), files: files.get(message.id) };
      if (message.callbackId !== null) parts.push(...(await this.#callbackParts(rendering, own)));
      else if (message.position > this.#position || message.position === growingAt) {
        parts.push(...(await this.#messageParts(rendering, own)));
      }
    }
    return parts;
  }

  /** A message beside the turns: it does not change, and what grows goes on growing. */
  async #callbackParts(
    rendering: PageRendering,
    about: AboutMessages & { message: ShownMessage },
  ): Promise<JSX.Element[]> {
    const { position } = about.message;
    if (position <= this.#position) return [];
    this.#position = position;
    const view = await messageView(this.deps, rendering, about);
    return [<LiveMessageAppend message={view} />, <LiveAnnouncement status="unasked" />];
  }

  async #messageParts(
    rendering: PageRendering,
    about: AboutMessages & {
      message: ShownMessage;
      variants: Variants | undefined;
      files: readonly Attachment[] | undefined;
    },
  ): Promise<JSX.Element[]> {
    const { message } = about;
    const isNew = message.position > this.#position;
    const isStreaming = message.status === 'streaming';
    const { text, isCut } = shownText(this.deps.generations.textOf(message.id) ?? message.content, isStreaming);
    this.#position = Math.max(this.#position, message.position);
    const { id: messageId, position } = message;
    if (!isNew) this.#growing.message ??= { messageId, position, had: this.#hadAtConnect ?? NOTHING, isCut: false };
    this.#hadAtConnect = undefined;
    const steps = stepsOf(this.deps, message);
    if (isNew) this.#steps = undefined;
    else this.#steps ??= StepsOnPage.atConnect(message.id, this.options.seen?.steps, steps.length);
    const stepParts = await this.#steps?.tell(rendering, { steps, isEnd: !isStreaming }, this.#think);
    if (stepParts) await this.#growing.catchUp(rendering, message.id, text);
    const isTextThere =
      stepParts !== undefined && (await this.#growing.grow(rendering, message.id, { text, isEnd: !isStreaming }));
    const grown = this.#growing.message;
    if (isTextThere && isStreaming && grown && text !== '' && isCut === grown.isCut) return stepParts;
    const view = await messageView(this.deps, rendering, { ...about, isTextThere });
    const had = isTextThere ? grown?.had : hadOf(view);
    this.#growing.message = isStreaming && had ? { messageId, position, had, isCut } : undefined;
    if (!isTextThere) this.#steps = new StepsOnPage(message.id, view.steps ?? []);
    const actions = <LiveComposerActions streamingId={isStreaming ? message.id : undefined} />;
    if (isNew) return [<LiveMessageAppend message={view} />, ...(message.role === 'assistant' ? [actions] : [])];
    const all = isTextThere
      ? [...stepParts, <LiveMessageAround message={view} />]
      : [<LiveMessageReplace message={view} />];
    return isStreaming ? all : [...all, actions, <LiveAnnouncement status={message.status} />];
  }
}
