/** Drives one proxy with many streams at once over raw sockets, and times every chunk by the mark it carries. */
import type { Socket } from 'bun';
import { nowUs } from './clock';
import { percentile } from './results';
import { CHAT_PATH, chatBody, MARK, MARK_BYTES, readMark, type Script } from './script';
import type { Subject } from './subjects';

/** How long streams may take to end after the window has closed, besides their own length. */
const TAIL_MS = 3_000;
/** Enough of the end of an answer to know it by. */
const END_BYTES = 24;
const CHUNKED_END = /\[DONE\]\s*\r\n0\r\n\r\n$/;
/** Of an answer with a length: Bun tells one where all of the body has come before the head is sent, such as the floor's flat out. */
const WHOLE_END = /\[DONE\]\n\n$/;
/** A head is shorter. */
const HEAD_BYTES = 2_048;

interface StreamLoad {
  readonly streams: number;
  readonly script: Script;
  /** Before anything is counted. */
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** Called as the window opens and as it closes. */
  onWindow?(isOpen: boolean): void;
}

interface StreamResult {
  /** Times from a request to its first chunk, and from a chunk's sending to its arrival. Milliseconds. */
  readonly firstByteP50Ms: number;
  readonly firstByteP99Ms: number;
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  readonly chunks: number;
  readonly windowMs: number;
  readonly failures: number;
}

/** A request for a stream as it goes over the wire. */
export function streamRequest(subject: Subject, script: Script, conversation?: string): string {
  const body = chatBody(script);
  const headers: Record<string, string> = {
    host: `127.0.0.1:${subject.port}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...subject.headers,
    ...(conversation !== undefined && { 'x-conversation-id': conversation }),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${CHAT_PATH} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/**
 * Holds `streams` streams open, each on a connection of its own that begins the next one when one has ended. Paced ones
 * begin one after the other, evenly over the length of a stream, so that they neither begin nor tick all at once.
 */
export async function runStreams(subject: Subject, load: StreamLoad): Promise<StreamResult> {
  const { streams, script, warmUpMs, windowMs } = load;
  const conversations = (await subject.conversations?.(streams)) ?? [];
  const tally = new Tally(script.paceMs > 0);
  const lengthMs = script.chunks * script.paceMs;
  const all = Array.from(
    { length: streams },
    (_, index) => new Stream(subject.port, streamRequest(subject, script, conversations[index]), tally),
  );
  const begun = all.map(async (stream, index) => {
    await Bun.sleep((index / streams) * lengthMs);
    await stream.run();
  });
  await Bun.sleep(warmUpMs + lengthMs);
  load.onWindow?.(true);
  tally.isOpen = true;
  const openedMs = performance.now();
  await Bun.sleep(windowMs);
  tally.isOpen = false;
  const measuredMs = performance.now() - openedMs;
  load.onWindow?.(false);
  for (const stream of all) stream.isLast = true;
  await Promise.race([Promise.all(begun), Bun.sleep(lengthMs + TAIL_MS)]);
  for (const stream of all) stream.cut();
  await Promise.all(begun);
  return tally.result(measuredMs);
}

/** What all streams of a load have seen within the window. */
class Tally {
  isOpen = false;
  failures = 0;
  #chunks = 0;
  readonly #firstByteUs: number[] = [];
  readonly #delaysUs: number[] = [];

  constructor(readonly isTimed: boolean) {}

  first(us: number): void {
    if (this.isOpen) this.#firstByteUs.push(us);
  }

  chunk(delayUs: number): void {
    if (!this.isOpen) return;
    this.#chunks += 1;
    if (this.isTimed) this.#delaysUs.push(delayUs);
  }

  result(windowMs: number): StreamResult {
    return {
      firstByteP50Ms: percentile(this.#firstByteUs, 0.5) / 1e3,
      firstByteP99Ms: percentile(this.#firstByteUs, 0.99) / 1e3,
      delayP50Ms: percentile(this.#delaysUs, 0.5) / 1e3,
      delayP99Ms: percentile(this.#delaysUs, 0.99) / 1e3,
      delayMaxMs: percentile(this.#delaysUs, 1) / 1e3,
      chunks: this.#chunks,
      windowMs,
      failures: this.failures,
    };
  }
}

/** One connection, and the stream on it. */
class Stream {
  /** No further stream begins when this one has ended. */
  isLast = false;
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  #socket: Socket | undefined;
  #askedUs = 0;
  /** What has come of the answer's head; nothing once all of it was read. */
  #head: string | undefined = '';
  #endOfAnswer = CHUNKED_END;
  #hasMark = false;
  /** The beginning of a mark whose rest has not come yet. */
  #cutMark: Buffer | undefined;
  #end = '';

  constructor(
    readonly port: number,
    readonly request: string,
    readonly tally: Tally,
  ) {}

  /** Resolves when the last stream has ended. Never rejects: what goes wrong is counted. */
  async run(): Promise<void> {
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: this.port,
      socket: {
        data: (_, bytes) => this.#receive(bytes),
        close: () => this.#lost(),
        error: () => this.#lost(),
      },
    }).catch(() => undefined);
    if (!socket) {
      this.#lost();
      return;
    }
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#ask();
    await this.#over.promise;
  }

  /** Ends it where it is: too late for its answer. */
  cut(): void {
    if (!this.#isOver) this.#lost();
  }

  #ask(): void {
    this.#head = '';
    this.#hasMark = false;
    this.#end = '';
    this.#askedUs = nowUs();
    this.#socket?.write(this.request);
  }

  #lost(): void {
    if (this.#isOver) return;
    this.tally.failures += 1;
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#over.resolve();
    this.#socket?.terminate();
  }

  #receive(bytes: Buffer): void {
    const arrivedUs = nowUs();
    if (this.#head !== undefined && !this.#readHead(this.#head + bytes.toString('latin1', 0, HEAD_BYTES))) {
      this.#lost();
      return;
    }
    this.#readMarks(bytes, arrivedUs);
    this.#end = (this.#end + bytes.toString('latin1', Math.max(0, bytes.length - END_BYTES))).slice(-END_BYTES);
    if (!this.#endOfAnswer.test(this.#end)) return;
    if (this.isLast) this.#finish();
    else this.#ask();
  }

  /** @returns whether it is a success, as far as is known: Bun sends a head in pieces where its buffer is full. */
  #readHead(head: string): boolean {
    const isAllThere = head.includes('\r\n\r\n');
    this.#head = isAllThere ? undefined : head;
    if (!isAllThere) return true;
    this.#endOfAnswer = /\r\ncontent-length:/i.test(head) ? WHOLE_END : CHUNKED_END;
    return head.startsWith('HTTP/1.1 200');
  }

  #readMarks(received: Buffer, arrivedUs: number): void {
    const bytes = this.#cutMark ? Buffer.concat([this.#cutMark, received]) : received;
    this.#cutMark = undefined;
    for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, at + MARK_BYTES)) {
      if (at + MARK_BYTES > bytes.length) {
        this.#cutMark = Buffer.from(bytes.subarray(at));
        return;
      }
      if (!this.#hasMark) this.tally.first(arrivedUs - this.#askedUs);
      this.#hasMark = true;
      this.tally.chunk(arrivedUs - readMark(bytes, at));
    }
  }
}
