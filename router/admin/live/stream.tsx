/**
 * The live stream of an administrator's page. It sends what changes around every page, and the state of the page itself: at most
 * once a second, each part that differs from the one that was sent before. So an event costs no walk over all runners or users,
 * a slow reader gets fewer updates, and a page that was away gets every part anew.
 */
import type { JSX } from 'preact';
import { LivePart, LiveText } from '../../../views/admin/live';
import type { Who } from '../../accounts/identify';
import type { LiveDeps, LiveOptions } from '../../chat/live/options';
import { endOf, tellLive } from '../../chat/live/stream';
import type { RouterEvent } from '../../lib/events';
import { httpLog } from '../../lib/log';
import { steadyMs } from '../../lib/time';
import { partHtml } from '../../web/answers/respond';
import { type EventWriter, eventStream } from '../../web/streams/sse';

/** The shortest time between two updates of one page. */
const EVERY_MS = 1_000;
/** Characters that are put at the end of a text before it is sent anew, so that the page does not grow for ever. */
const ADDED_MAX = 200_000;
/** Characters by which the beginning of a text is found in the one before. */
const LINE_LENGTH_MAX = 200;
/** Places that are tried: in a line of one repeated character every place matches its beginning. */
const TRIES_MAX = 400;

/** A part of a page, with the id of its element. */
interface Part {
  readonly id: string;
  readonly view: JSX.Element;
  /** Its rows: while they are the same ones, only those that changed are sent. */
  readonly rows?: readonly { readonly id: string; readonly view: JSX.Element }[];
  /** The text of an element in it, which grows at its end. */
  readonly text?: { readonly id: string; readonly text: string };
}

/** One of the administrator's pages. */
export interface LivePage {
  /** The page as it is now, and the milliseconds after which it is looked at again although nothing was heard. */
  look(): Promise<{ readonly parts: readonly Part[]; readonly againMs: number }>;
  /** Events of these kinds may change it. */
  readonly kinds: readonly RouterEvent['kind'][];
  /** Of them only those about this agent. */
  readonly agentId?: string;
}

export type AdminLiveDeps = LiveDeps;

/** @param reader who reads the page, and which links its sidebar has. */
export function adminLive(
  deps: AdminLiveDeps,
  reader: Pick<LiveOptions, 'request' | 'server' | 'who' | 'linksMark'>,
  page: LivePage,
): Response {
  const { who } = reader;
  return eventStream(reader, (writer) => {
    // First: it may refuse.
    const open = deps.streams.addLive({ userId: who.user.id, credentialId: who.credentialId }, endOf(writer));
    const endAround = tellLive(deps, reader, writer);
    const live = new Live(who, page, writer);
    const unsubscribe = deps.events.subscribeToAll(page.kinds, (_, event) => {
      if (page.agentId === undefined || ('agentId' in event && event.agentId === page.agentId)) live.changed();
    });
    live.run().catch((error: unknown) => {
      httpLog.error({ err: error }, 'live.broke');
      // The page comes back by itself and gets everything anew.
      writer.close();
    });
    return () => {
      live.close();
      endAround();
      unsubscribe();
      open.end();
    };
  });
}

class Live {
  /** What was sent, by the id of its element: hashes of HTML, and the ids of rows. */
  readonly #sent = new Map<string, bigint | number | string>();
  readonly #texts = new Map<string, { text: string; added: number }>();
  #isClosed = false;
  #isChanged = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake = () => {};

  constructor(
    readonly who: Who,
    readonly page: LivePage,
    readonly writer: EventWriter,
  ) {}

  changed(): void {
    this.#isChanged = true;
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#wake();
  }

  async run(): Promise<void> {
    while (!this.#isClosed) {
      const beganMs = steadyMs();
      this.#isChanged = false;
      const { parts, againMs } = await this.page.look();
      const html = parts.map((part) => this.#changesOf(part)).join('');
      if (html !== '' && !this.#isClosed) await this.writer.send({ data: html });
      await this.#until(beganMs + EVERY_MS, () => this.#isClosed);
      await this.#until(beganMs + againMs, () => this.#isClosed || this.#isChanged);
    }
  }

  /** Waits until a time of the steady clock, or until `isOver`. */
  async #until(atMs: number, isOver: () => boolean): Promise<void> {
    for (let restMs = atMs - steadyMs(); restMs > 0 && !isOver(); restMs = atMs - steadyMs()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, restMs);
      await promise;
      clearTimeout(this.#timer);
    }
  }

  #changesOf({ id, view, rows, text }: Part): string {
    if (rows) return this.#changedRows(id, view, rows);
    if (text) return this.#changedText(id, view, text);
    return this.#changed(id, view);
  }

  #changed(id: string, view: JSX.Element): string {
    const html = this.#part(id, view);
    return this.#isNews(id, Bun.hash(html)) ? html : '';
  }

  #changedRows(id: string, view: JSX.Element, rows: NonNullable<Part['rows']>): string {
    const changed = rows.map((row) => this.#changed(row.id, row.view)).join('');
    return this.#isNews(id, rows.map((row) => row.id).join(' ')) ? this.#part(id, view) : changed;
  }

  #changedText(id: string, view: JSX.Element, { id: textId, text }: NonNullable<Part['text']>): string {
    const before = this.#texts.get(id);
    const more = before === undefined ? undefined : grownBy(before.text, text);
    if (more === '') return '';
    const added = (before?.added ?? 0) + (more?.length ?? 0);
    const isAnew = more === undefined || added > ADDED_MAX;
    this.#texts.set(id, { text, added: isAnew ? 0 : added });
    return isAnew ? this.#part(id, view) : partHtml(this.who, <LiveText id={textId} text={more} />);
  }

  #isNews(id: string, state: bigint | number | string): boolean {
    if (this.#sent.get(id) === state) return false;
    this.#sent.set(id, state);
    return true;
  }

  #part(id: string, view: JSX.Element): string {
    return partHtml(this.who, <LivePart id={id}>{view}</LivePart>);
  }
}

/**
 * What came to the end of a text, the beginning of which may have been cut off meanwhile; undefined when it is another text, was
 * empty, or repeats its beginning too often.
 */
export function grownBy(before: string, after: string): string | undefined {
  if (before === '') return undefined;
  if (after.startsWith(before)) return after.slice(before.length);
  // A cut text begins with an ellipsis.
  const kept = after.replace(/^…/, '');
  const [firstLine = ''] = kept.slice(0, LINE_LENGTH_MAX).split('\n', 1);
  if (firstLine === '') return undefined;
  for (let at = -1, tries = 0; tries < TRIES_MAX; tries += 1) {
    at = before.indexOf(firstLine, at + 1);
    if (at < 0) return undefined;
    if (kept.startsWith(before.slice(at))) return kept.slice(before.length - at);
  }
  return undefined;
}
