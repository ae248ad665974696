/** The conversation of one page: what the page has of it, and the parts that bring it up to date. */
import type { JSX } from 'preact';
import {
  growthData,
  LiveAnnouncement,
  LiveComposerActions,
  LiveMessageAppend,
  LiveMessageAround,
  LiveMessageRemove,
  LiveMessageReplace,
  LiveUnsaved,
} from '../../../views/chat/live';
import type { Change } from '../../../views/growth';
import { missingView } from '../../credentials/present';
import type { RouterEvent } from '../../lib/events';
import type { HadText, PageRendering } from '../../web/rendering/rendering';
import type { Attachment } from '../attachments/store';
import { type AboutMessages, hadOf, messageView, shownText, stepsOf } from '../pages/present-messages';
import type { ShownMessage } from '../store/shown';
import type { Variants } from '../store/tree';
import { GrowingOnPage } from './growing';
import type { LiveDeps, LiveOptions } from './options';
import type { Seen } from './seen';
import { LiveShelf } from './shelf';
import { StepsOnPage } from './steps';

/** Messages in one event: there may be any number that a page has not seen. */
const MESSAGES_AT_A_TIME = 20;
/** Ids of removed messages that a page has not been told yet. Beyond it, the page is closed and comes back. */
const REMOVED_MAX = 1_000;

const NOTHING: HadText = { settled: 0, shown: 0 };

/** The stream of the page, as its conversation uses it. */
interface LivePage {
  /** Has the changes looked at, now or after the look that is under way. */
  wake(): void;
  /** Like `wake`, when only the growing answer has changed. */
  look(): void;
  send(event: { event: string; data: string }): Promise<void>;
  sendParts(parts: readonly JSX.Element[]): Promise<void>;
  /** The page comes back by itself and reads the state anew. */
  close(): void;
}

export class LiveConversation implements Disposable {
  readonly #removed = new Set<string>();
  readonly #growing: GrowingOnPage;
  /** The steps of the answer that is being written; absent when it is not known which of them the page has. */
  #steps: StepsOnPage | undefined;
  readonly #shelf: LiveShelf;
  /** Position of the newest message that the page has. Callbacks may follow the message that is growing. */
  #position: number;
  /** After this position the page has messages that are not shown any more. */
  #pathAfter = Number.POSITIVE_INFINITY;
  /** The part of the newest message that the connecting page shows, until the first comparison. */
  #hadAtConnect: HadText | undefined;
  #isChanged = true;
  /** Whether the page says that the newest turn is not stored; undefined where that is not known. */
  #saysUnsaved: boolean | undefined;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
    readonly page: LivePage,
  ) {
    this.#growing = new GrowingOnPage({
      textOf: deps.generations.textOf,
      look: () => page.look(),
      send: (changes) => page.send({ event: 'grow', data: growthData(changes) }),
    });
    this.#shelf = new LiveShelf(deps, options);
    this.#position = options.seen?.position ?? 0;
    this.#hadAtConnect = options.seen?.growing;
    this.#saysUnsaved = options.saysUnsaved;
  }

  [Symbol.dispose](): void {
    this.#growing[Symbol.dispose]();
  }

  /** What the page has now, of this conversation. */
  get seen(): Seen {
    const { message } = this.#growing;
    // A page that comes back gets what is behind the growing message once more, which does no harm (app/swap.js).
    const position = Math.min(this.#position, message?.position ?? this.#position);
    return { position, growing: message?.had, steps: this.#steps?.seen ?? 0 };
  }

  isGrowing(messageId: string): boolean {
    return messageId === this.#growing.message?.messageId;
  }

  onEvent(event: RouterEvent): void {
    if (!this.#isHere(event)) return;
    this.#isChanged = true;
    if (event.kind === 'message.removed') this.#removed.add(event.messageId);
    if (event.kind === 'path') this.#pathAfter = Math.min(this.#pathAfter, event.after);
    if (this.#removed.size > REMOVED_MAX) this.page.close();
  }

  /** Whether an event is about the page's conversation, or the start that its answer waits for. */
  #isHere(event: RouterEvent): boolean {
    const { row, agent } = this.options.conversation ?? {};
    if ('conversationId' in event) return event.conversationId === row?.id;
    return event.kind === 'runner' && event.agentId === agent?.id;
  }

  #lookAgain(): void {
    this.#isChanged = true;
    this.page.wake();
  }

  /** To be called when the growing answer may have more than the page. */
  noticeGrowth(): void {
    const { messageId } = this.#growing.message ?? {};
    const steps = messageId === undefined ? undefined : this.deps.generations.stepsOf(messageId);
    this.#growing.noticeGrowth(this.#steps?.growth(steps ?? []) ?? 0);
  }

  /** Sends what the growing answer has more than the page, without a look at the database. */
  async tellGrowth(): Promise<void> {
    const { messageId } = this.#growing.message ?? {};
    const text = messageId === undefined ? undefined : this.deps.generations.textOf(messageId);
    if (messageId === undefined || text === undefined) return;
    const beganMs = performance.now();
    const steps = this.deps.generations.stepsOf(messageId) ?? [];
    const so = { steps, isEnd: false, hasText: text !== '' };
    const parts = (await this.#steps?.tell(this.#rendering(), so, this.#think)) ?? [];
    await this.page.sendParts(parts);
    const { text: shown, isCut } = shownText(text, true, this.#growing.lengthOf(messageId));
    const isThere = await this.#growing.grow(this.#rendering(), messageId, { text: shown, isEnd: false, beganMs });
    // The page gets a word about it, or the message anew.
    if (!isThere || (isCut && this.#growing.hasAll(shown))) this.#lookAgain();
  }

  readonly #think = (changes: readonly Change[]) => this.page.send({ event: 'think', data: growthData(changes) });

  #rendering(): PageRendering {
    return this.deps.rendering.page(this.options.who.user.id);
  }

  /** Everything that changed since the last call. */
  async parts(): Promise<JSX.Element[]> {
    const { conversation } = this.options;
    if (!conversation || !this.#isChanged) return [];
    this.#isChanged = false;
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
    if (this.options.isPast) return parts;
    const isUnsaved = this.deps.generations.isUnsaved(row.userId, row.id);
    if (isUnsaved !== this.#saysUnsaved) parts.push(<LiveUnsaved isUnsaved={isUnsaved} />);
    this.#saysUnsaved = isUnsaved;
    this.#position = Math.min(this.#position, this.#pathAfter);
    this.#pathAfter = Number.POSITIVE_INFINITY;
    // The one that was growing on the page is looked at again.
    const growingAt = this.#growing.message?.position ?? (this.#hadAtConnect && this.#position);
    const after = Math.min(this.#position, (growingAt ?? Number.POSITIVE_INFINITY) - 1);
    const { messages, hasMore } = await this.deps.conversations.shown(conversation.row.id, {
      after,
      limit: MESSAGES_AT_A_TIME,
    });
    if (hasMore) this.#lookAgain();
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
    // The page puts all parts of an event in their places at once, so of two for one place the second is lost.
    const actionsAt = parts.findLastIndex(({ type }) => type === LiveComposerActions);
    return parts.filter(({ type }, at) => type !== LiveComposerActions || at === actionsAt);
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
    this.#position = Math.max(this.#position, message.position);
    const { id: messageId, position } = message;
    if (!isNew) this.#growing.message ??= { messageId, position, had: this.#hadAtConnect ?? NOTHING, isCut: false };
    this.#hadAtConnect = undefined;
    const whole = this.deps.generations.textOf(messageId) ?? message.content;
    const { text, isCut } = shownText(whole, isStreaming, this.#growing.lengthOf(messageId));
    const steps = stepsOf(this.deps, message);
    if (isNew) this.#steps = undefined;
    else this.#steps ??= StepsOnPage.atConnect(message.id, this.options.seen?.steps, steps.length);
    const so = { steps, isEnd: !isStreaming, hasText: text !== '' };
    const stepParts = await this.#steps?.tell(rendering, so, this.#think);
    if (stepParts) {
      // Before the text: a thought that ends folds, which would move what is below it.
      await this.page.sendParts(stepParts);
      await this.#growing.catchUp(rendering, message.id, text);
    }
    const isTextThere =
      stepParts !== undefined && (await this.#growing.grow(rendering, message.id, { text, isEnd: !isStreaming }));
    const grown = this.#growing.message;
    if (isTextThere && isStreaming && grown && text !== '' && isCut === grown.isCut) return [];
    const view = await messageView(this.deps, rendering, { ...about, isTextThere });
    const had = isTextThere ? grown?.had : hadOf(view);
    this.#growing.message = isStreaming && had ? { messageId, position, had, isCut } : undefined;
    if (!isTextThere) this.#steps = new StepsOnPage(message.id, view.steps ?? []);
    const actions = <LiveComposerActions streamingId={isStreaming ? message.id : undefined} />;
    if (isNew) return [<LiveMessageAppend message={view} />, ...(message.role === 'assistant' ? [actions] : [])];
    const all = isTextThere ? [<LiveMessageAround message={view} />] : [<LiveMessageReplace message={view} />];
    return isStreaming
      ? all
      : [...all, actions, <LiveAnnouncement status={message.incomplete ? 'incomplete' : message.status} />];
  }
}
