/**
 * The one live stream of a chat page: everything that changes on it arrives here, as parts that name their place, and
 * as changes of the answer that grows.
 *
 * Each event's id says what the page then has (seen.ts). So a page that was away (a hidden tab, a lost network) says
 * where it is, at `/live` in chat/pages/routes.tsx, and conversation.tsx finds the rest.
 */
import type { JSX } from 'preact';
import type { AppError } from '../../lib/errors';
import type { RouterEvent } from '../../lib/events';
import { httpLog } from '../../lib/log';
import { partHtml } from '../../web/answers/respond';
import { type EventWriter, eventStream } from '../../web/streams/sse';
import { LiveConversation } from './conversation';
import type { LiveDeps, LiveOptions } from './options';
import { formatSeen } from './seen';
import { LiveSidebar } from './sidebar';

export function liveStream(deps: LiveDeps, options: LiveOptions): Response {
  return eventStream(options, (writer) => {
    const { user, credentialId } = options.who;
    // First: it may refuse.
    const open = deps.streams.addLive({ userId: user.id, credentialId }, endOf(writer));
    const end = tellLive(deps, options, writer);
    return () => {
      end();
      open.end();
    };
  });
}

/** Ends the stream of a page. One whose session is gone is told so, and does not ask again in vain. */
export function endOf(writer: EventWriter): { close(why: AppError): void } {
  return {
    close({ code }) {
      if (code === 'signed_out') void writer.send({ event: 'signed-out', data: '' });
      writer.close();
    },
  };
}

/**
 * Tells a page by its stream what changes around it, and in its conversation if it has one.
 * @returns a function to be called once, when the stream has ended.
 */
export function tellLive(deps: LiveDeps, options: LiveOptions, writer: EventWriter): () => void {
  const { user } = options.who;
  const live = new Live(deps, options, writer);
  // Older messages do not show what is unread.
  const shown = options.isPast ? undefined : options.conversation?.row.id;
  const leave = shown === undefined ? undefined : deps.unread.show(shown);
  const unsubscribe = deps.events.subscribe(user.id, (event) => live.onEvent(event));
  live.wake();
  if (shown !== undefined) {
    deps.unread.read(user.id, shown).catch((error: unknown) => {
      httpLog.error({ err: error }, 'live.unread_failed');
    });
  }
  return () => {
    live.close();
    leave?.();
    unsubscribe();
  };
}

/** The stream of one page. Sends changes in their order, one look at the database at a time. */
class Live {
  readonly #sidebar: LiveSidebar;
  readonly #conversation: LiveConversation;
  /** Schedules have changed, or may have while the page was away or not yet looked at. Conversations show none. */
  #hasNewSchedules: boolean;
  /** Something other than the text of the growing answer. */
  #isChanged = false;
  #isWorking = false;
  #again = false;
  #isClosed = false;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
    readonly writer: EventWriter,
  ) {
    this.#hasNewSchedules = options.conversation === undefined;
    this.#sidebar = new LiveSidebar(deps, options);
    this.#conversation = new LiveConversation(deps, options, {
      wake: () => this.wake(),
      look: () => this.#look(),
      send: (event) => this.#send(event),
      sendParts: (parts) => this.#sendParts(parts),
      close: () => writer.close(),
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#conversation[Symbol.dispose]();
  }

  onEvent(event: RouterEvent): void {
    if (event.kind === 'revoked' || event.kind === 'shut-out') return;
    if (event.kind === 'callback' || event.kind === 'user') return;
    if (event.kind === 'message.grew') {
      if (this.#conversation.isGrowing(event.messageId) && !this.#isWorking) this.#conversation.noticeGrowth();
      return;
    }
    if (event.kind === 'schedule') this.#hasNewSchedules = true;
    this.#sidebar.onEvent(event);
    this.#conversation.onEvent(event);
    this.wake();
  }

  /** Looks at everything that changed, now or right after the look that is under way. */
  wake(): void {
    this.#isChanged = true;
    this.#look();
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
    const told = this.deps.streams.tell();
    try {
      while (this.#again && !this.#isClosed) {
        this.#again = false;
        if (this.#isChanged) await this.#tellChanges();
        else await this.#conversation.tellGrowth();
      }
    } finally {
      this.#isWorking = false;
      told();
    }
    if (!this.#isClosed) this.#conversation.noticeGrowth();
  }

  async #tellChanges(): Promise<void> {
    this.#isChanged = false;
    const around = await this.#sidebar.parts();
    const parts = [...around, ...(await this.#conversation.parts())];
    // Changes during this send are read after it: a slow reader gets fewer updates, and nothing waits for the reader.
    await this.#sendParts(parts);
    if (!this.#hasNewSchedules) return;
    this.#hasNewSchedules = false;
    await this.#send({ event: 'schedule', data: 'changed' });
  }

  async #sendParts(parts: readonly JSX.Element[]): Promise<void> {
    if (parts.length > 0) await this.#send({ data: parts.map((part) => partHtml(this.options.who, part)).join('') });
  }

  async #send(event: { event?: string; data: string }): Promise<void> {
    if (this.#isClosed) return;
    await this.writer.send({ id: formatSeen(this.#conversation.seen), ...event });
  }
}
