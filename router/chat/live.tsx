/**
 * The one live stream of a chat page: everything that changes on it arrives here, as parts that name their place.
 *
 * Each event's id says what the page then has: the position of its newest message and, while that one is being written,
 * how much of it is settled. So a page that was away (a hidden tab, a lost network) says where it is and gets the rest.
 */
import type { JSX } from 'preact';
import {
  LiveAnswerDelta,
  LiveAnswerEnd,
  LiveAnswerProgress,
  LiveComposerActions,
  LiveConversationLink,
  LiveMessageAppend,
  LiveMessageRemove,
  LiveMessageReplace,
  LiveRunner,
} from '../../views/chat/live';
import type { Who } from '../accounts/identify';
import type { Agent } from '../agents/store';
import type { CredentialsService } from '../credentials/credentials';
import { missingView } from '../credentials/present';
import type { Events, RouterEvent } from '../lib/events';
import { httpLog } from '../lib/log';
import type { OpenStreams } from '../web/open-streams';
import type { PageRendering } from '../web/rendering';
import { partHtml } from '../web/respond';
import { type EventWriter, eventStream } from '../web/sse';
import { type AboutMessages, type ChatViewDeps, conversationLink, messageView, runnerView, shownText } from './present';
import type { Conversation } from './store';
import type { ShownMessage } from './store-shown';

/** Messages in one event: there may be any number that a page has not seen. */
const MESSAGES_AT_A_TIME = 20;
/** Ids of removed messages that a page has not been told yet. Beyond it, the page is closed and comes back. */
const REMOVED_MAX = 1_000;
/**
 * An answer that ended while the page was away has left no event for its link. It was asked for lately, so its
 * conversation is among the last changed.
 */
const LINKS_AT_FIRST = 20;

/** What a page has: messages up to `position`, and of that one `settled` characters, or all of it. */
export interface Seen {
  readonly position: number;
  /** `undefined` when the newest message is there whole. */
  readonly settled: number | undefined;
}

/** `7` or `7.120`. */
export function formatSeen(seen: Seen): string {
  return seen.settled === undefined ? `${seen.position}` : `${seen.position}.${seen.settled}`;
}

export function parseSeen(value: string | null | undefined): Seen | undefined {
  const found = /^(\d{1,15})(?:\.(\d{1,15}))?$/.exec(value ?? '');
  if (!found) return undefined;
  return { position: Number(found[1]), settled: found[2] === undefined ? undefined : Number(found[2]) };
}

export interface LiveDeps extends ChatViewDeps {
  readonly credentials: CredentialsService;
  readonly events: Events;
  readonly streams: OpenStreams;
}

export interface LiveOptions {
  readonly request: Request;
  readonly who: Who;
  /** Absent on pages without a conversation, which get only runner states. */
  readonly conversation?: { readonly row: Conversation; readonly agent: Agent };
  readonly seen?: Seen;
}

export function liveStream(deps: LiveDeps, options: LiveOptions): Response {
  return eventStream(options.request, (writer) => {
    const { user, credentialId } = options.who;
    // First: it may refuse.
    const forget = deps.streams.addLive({ userId: user.id, credentialId }, writer.close);
    const live = new Live(deps, options, writer);
    const unsubscribe = deps.events.subscribe(user.id, (event) => live.onEvent(event));
    live.wake();
    return () => {
      live.close();
      unsubscribe();
      forget();
    };
  });
}

/** One page's end of the stream. Works off what changed in order, one look at the database at a time. */
class Live {
  readonly #agents = new Set<string>();
  readonly #removed = new Set<string>();
  readonly #links = new Set<string>();
  #position: number;
  /** The message being written on the page, how much of it the page has settled, and whether more is not shown. */
  #growing: { settled: number; isCut: boolean } | undefined;
  #settledAtConnect: number | undefined;
  #first = true;
  #everyAgent = true;
  #working = false;
  #again = false;
  #closed = false;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
    readonly writer: EventWriter,
  ) {
    this.#position = options.seen?.position ?? 0;
    this.#settledAtConnect = options.seen?.settled;
  }

  close(): void {
    this.#closed = true;
  }

  onEvent(event: RouterEvent): void {
    const here = this.options.conversation?.row.id;
    if (event.kind === 'runner') this.#agents.add(event.agentId);
    else if (event.kind === 'platforms') this.#everyAgent = true;
    else if (event.kind === 'conversation') this.#links.add(event.conversationId);
    else if (event.kind === 'revoked' || event.kind === 'shut-out') return;
    else {
      // A link in the sidebar says whether an answer is being written there.
      if (event.kind !== 'message.grew') this.#links.add(event.conversationId);
      // What is there more of than is shown looks the same when it has grown.
      const isSeen = event.conversationId === here && !this.#growing?.isCut;
      if (event.kind === 'message.grew' && !isSeen) return;
      if (event.kind === 'message.removed') this.#removed.add(event.messageId);
      if (this.#removed.size > REMOVED_MAX) this.writer.close();
    }
    this.wake();
  }

  /** Looks at what changed, now or right after the look that is under way. */
  wake(): void {
    this.#again = true;
    if (this.#working) return;
    this.#work().catch((error: unknown) => {
      httpLog.error({ err: error }, 'live.broke');
      // The page comes back by itself and reads the state anew.
      this.writer.close();
    });
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const runners = await this.#runnerParts();
        const messages = await this.#conversationParts();
        const parts = [...runners, ...messages, ...(await this.#linkParts())];
        this.#first = false;
        // What changes until the page has taken this is looked at then: a slow reader gets less, and nothing waits for it.
        if (parts.length > 0 && !this.#closed) await this.#send(parts);
      }
    } finally {
      this.#working = false;
    }
  }

  #send(parts: readonly JSX.Element[]): Promise<void> {
    const seen = { position: this.#position, settled: this.#growing?.settled };
    return this.writer.send({ id: formatSeen(seen), data: parts.map((part) => partHtml(part)).join('') });
  }

  async #runnerParts(): Promise<JSX.Element[]> {
    const { deps } = this;
    const { who } = this.options;
    const [changed, isEvery] = [new Set(this.#agents), this.#everyAgent];
    this.#agents.clear();
    this.#everyAgent = false;
    if (changed.size === 0 && !isEvery) return [];
    const agents = await deps.agents.list(who.user.id);
    return agents
      .filter(({ id }) => isEvery || changed.has(id))
      .map((agent) => <LiveRunner runner={runnerView(deps, who, agent)} />);
  }

  async #linkParts(): Promise<JSX.Element[]> {
    const { who, conversation } = this.options;
    const changed = new Set(this.#links);
    const isFirst = this.#first;
    this.#links.clear();
    if (changed.size === 0 && !isFirst) return [];
    const current = conversation ? { conversationId: conversation.row.id } : {};
    const rows = await this.deps.conversations.list(who.user.id);
    return rows
      .filter((row, index) => changed.has(row.id) || (isFirst && index < LINKS_AT_FIRST))
      .map((row) => <LiveConversationLink conversation={conversationLink(row, current)} />);
  }

  async #conversationParts(): Promise<JSX.Element[]> {
    const { conversation } = this.options;
    if (!conversation) return [];
    const parts = [...this.#removed].map((id) => <LiveMessageRemove messageId={id} />);
    this.#removed.clear();
    // The newest one that the page has is looked at again: it may have been growing there.
    const after = this.#growing || this.#settledAtConnect !== undefined ? this.#position - 1 : this.#position;
    const { messages, hasMore } = await this.deps.conversations.shown(conversation.row.id, {
      after,
      limit: MESSAGES_AT_A_TIME,
    });
    if (hasMore) this.#again = true;
    const { agent } = conversation;
    const last = messages.at(-1);
    const missing = await missingView(this.deps, this.options.who, { agent, message: last });
    const about = { agent, lastPosition: last?.position ?? 0, missing };
    const rendering = this.deps.rendering.page(this.options.who.user.id);
    for (const message of messages) parts.push(...(await this.#messageParts(rendering, { ...about, message })));
    return parts;
  }

  async #messageParts(
    rendering: PageRendering,
    about: AboutMessages & { message: ShownMessage },
  ): Promise<JSX.Element[]> {
    const { message } = about;
    const isNew = message.position > this.#position;
    const isStreaming = message.status === 'streaming';
    const { text, isCut } = shownText(this.deps, message);
    this.#position = Math.max(this.#position, message.position);
    if (!isNew && isStreaming && text !== '' && !isCut) return [await this.#delta(rendering, message.id, text)];
    // Only its beginning is shown, and that is there.
    if (!isNew && isStreaming && isCut && this.#growing?.isCut) return [];
    const view = await messageView(this.deps, rendering, about);
    this.#settledAtConnect = undefined;
    this.#growing = isStreaming ? { settled: view.growing?.length ?? 0, isCut } : undefined;
    const actions = <LiveComposerActions streamingId={isStreaming ? message.id : undefined} />;
    if (isNew) return [<LiveMessageAppend message={view} />, ...(message.role === 'assistant' ? [actions] : [])];
    if (!isStreaming) return [<LiveAnswerEnd message={view} />, actions];
    return [text === '' ? <LiveAnswerProgress message={view} /> : <LiveMessageReplace message={view} />];
  }

  /** The growth of an answer that the page has. */
  async #delta(rendering: PageRendering, messageId: string, text: string): Promise<JSX.Element> {
    const from = this.#growing?.settled ?? this.#settledAtConnect ?? 0;
    this.#settledAtConnect = undefined;
    const { length, settled, tail } = await rendering.growing(messageId, text.slice(from));
    this.#growing = { settled: from + length, isCut: false };
    return <LiveAnswerDelta messageId={messageId} settled={settled} tail={tail} />;
  }
}
