/**
 * The scripted runner: as fast as one can be on this machine, so that what is measured is the proxy before it. HTTP/1.1
 * by hand on raw sockets, with keep-alive. It reads only what the bench and the proxies send: no pipelining, and bodies
 * that say their length.
 */
import type { Socket } from 'bun';
import { nowUs } from './clock';
import { Passage } from './runner-passage';
import { MARK, MODEL, type Script, scriptOf, writeMark } from './script';
import { piecesOf, reportsOf, TEXT_KINDS } from './texts';

/** Chunks written in one turn of the event loop, shared by all streams that are not paced. */
const TURN_CHUNKS = 64;
const PARENT_CHECK_MS = 1_000;

/** What `GET /bench/stats` answers. */
export interface RunnerStats {
  readonly pid: number;
  /** Streams that are being sent now. */
  readonly open: number;
  /** Streams whose reader left before their end. */
  readonly aborted: number;
}

interface Connection {
  /** What has come of a request that is not whole yet. */
  received: Buffer;
  answer: Answer | undefined;
  /** Where it has asked an LLM API. */
  passage: Passage | undefined;
}

interface Template {
  readonly bytes: Buffer;
  readonly markAt: number;
}

const stats = { open: 0, aborted: 0 };
const eager = new Set<Answer>();
const templates = new Map<number, Template>();
const event = (delta: object, finish: string | null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const framed = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const json = (body: object): Buffer => {
  const text = JSON.stringify(body);
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
};

const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n',
);
const USAGE = `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [], usage: { prompt_tokens: 30, completion_tokens: 8, total_tokens: 38 } })}\n\n`;
const endOf = (more: string) =>
  Buffer.from(`${framed(event({}, 'stop'))}${more}${framed('data: [DONE]\n\n')}0\r\n\r\n`);
const STREAM_END = endOf('');
const STREAM_END_WITH_USAGE = endOf(framed(USAGE));
const report = (call: object) => `event: hermes.tool.progress\ndata: ${JSON.stringify(call)}\n\n`;
/** Events of the texts, as they go over the wire. */
const TEXT_EVENTS = new Map(
  TEXT_KINDS.map((kind) => {
    const events = [...piecesOf(kind).map((content) => event({ content }, null)), ...reportsOf(kind).map(report)];
    return [kind, events.map((text) => Buffer.from(framed(text)))];
  }),
);
const MODELS = json({ object: 'list', data: [] });
const COMPLETION = json({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1,
  model: MODEL,
  choices: [
    { index: 0, message: { role: 'assistant', content: 'Twice as long as half of it.' }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: 30, completion_tokens: 8, total_tokens: 38 },
});

/** One event of `bytes` bytes as it goes over the wire, with room for a time mark. */
function templateOf(bytes: number): Template {
  let template = templates.get(bytes);
  if (!template) {
    const mark = `${String.fromCharCode(MARK)}${'0'.repeat(15)} `;
    const padding = bytes - event({ content: mark }, null).length;
    const wire = Buffer.from(framed(event({ content: mark + 'x'.repeat(Math.max(0, padding)) }, null)));
    template = { bytes: wire, markAt: wire.indexOf(MARK) };
    templates.set(bytes, template);
  }
  return template;
}

/** An answer on its way. */
class Answer {
  readonly #socket: Socket<Connection>;
  readonly #script: Script;
  readonly #template: Template;
  /** Events that are sent instead of the template. */
  readonly #events: readonly Buffer[] | undefined;
  readonly #end: Buffer;
  #left: number;
  #hasEnded = false;
  /** What the socket has not taken yet. */
  #rest: Buffer | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(socket: Socket<Connection>, script: Script, tellsUsage: boolean) {
    this.#socket = socket;
    this.#script = script;
    this.#template = templateOf(script.chunkBytes);
    this.#events = script.text && TEXT_EVENTS.get(script.text);
    this.#end = tellsUsage ? STREAM_END_WITH_USAGE : STREAM_END;
    this.#left = this.#events?.length ?? script.chunks;
    stats.open += 1;
    this.#write(STREAM_HEAD);
    if (script.paceMs === 0) this.#hurry();
    else {
      this.step();
      this.#timer = setInterval(() => this.step(), script.paceMs);
    }
  }

  /** Sends one chunk. False when there is nothing more to send now. */
  step(): boolean {
    if (this.#rest) return false;
    if (this.#left === 0) {
      this.#close();
      if (this.#write(this.#end)) this.#socket.data.answer = undefined;
      return false;
    }
    this.#left -= 1;
    if (this.#events) return this.#write(this.#events.at(-1 - this.#left) ?? STREAM_HEAD);
    writeMark(this.#template.bytes, this.#template.markAt, nowUs());
    return this.#write(this.#template.bytes);
  }

  /** The reader takes more. */
  drained(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (!rest || !this.#write(rest)) return;
    if (this.#hasEnded) this.#socket.data.answer = undefined;
    else if (this.#script.paceMs === 0) this.#hurry();
  }

  abort(): void {
    if (this.#hasEnded) return;
    stats.aborted += 1;
    this.#close();
  }

  #hurry(): void {
    eager.add(this);
    if (eager.size === 1) setImmediate(pump);
  }

  #close(): void {
    this.#hasEnded = true;
    stats.open -= 1;
    clearInterval(this.#timer);
    eager.delete(this);
  }

  /** The bytes may be a template: what the socket leaves is copied. */
  #write(bytes: Buffer): boolean {
    const written = Math.max(0, this.#socket.write(bytes));
    if (written === bytes.length) return true;
    this.#rest = Buffer.from(bytes.subarray(written));
    return false;
  }
}

/** One turn of the streams that are not paced: each gets its share, so that none waits for another's end. */
function pump(): void {
  const share = Math.max(1, Math.floor(TURN_CHUNKS / eager.size));
  for (const answer of eager) {
    for (let sent = 0; sent < share; sent += 1) {
      if (answer.step()) continue;
      eager.delete(answer);
      break;
    }
  }
  if (eager.size > 0) setImmediate(pump);
}

function receive(socket: Socket<Connection>, bytes: Buffer): void {
  const connection = socket.data;
  const request = connection.received.length > 0 ? Buffer.concat([connection.received, bytes]) : bytes;
  const headBytes = request.indexOf('\r\n\r\n') + 4;
  const head = request.toString('latin1', 0, headBytes);
  const bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (headBytes < 4 || request.length < headBytes + bodyBytes) {
    connection.received = Buffer.from(request);
    return;
  }
  connection.received = Buffer.alloc(0);
  if (head.startsWith('GET /bench/stats')) socket.write(json({ pid: process.pid, ...stats } satisfies RunnerStats));
  else if (head.startsWith('GET')) socket.write(MODELS);
  else {
    const body = request.toString('latin1', headBytes, headBytes + bodyBytes);
    const script = scriptOf(body);
    if (!script) socket.write(COMPLETION);
    else if (script.viaBroker) {
      connection.passage ??= new Passage(socket);
      connection.passage.ask(script);
    } else connection.answer = new Answer(socket, script, body.includes('"include_usage":true'));
  }
}

// The router asks at the address of its runners, everything else at the usual loopback address.
for (const hostname of new Set([process.env.HOST ?? '127.0.0.1', '127.0.0.1'])) {
  Bun.listen<Connection>({
    hostname,
    port: Number(process.env.PORT),
    socket: {
      open(socket) {
        socket.data = { received: Buffer.alloc(0), answer: undefined, passage: undefined };
        socket.setNoDelay(true);
      },
      data: receive,
      drain(socket) {
        socket.data.answer?.drained();
        socket.data.passage?.drained();
      },
      close(socket) {
        socket.data.answer?.abort();
        socket.data.passage?.end();
      },
      error: () => undefined,
    },
  });
}

// Runners outlive their router, as they should. This one does not outlive the bench, however that ends.
const parent = Number(process.env.BENCH_PID);
setInterval(() => {
  try {
    process.kill(parent, 0);
  } catch {
    process.exit(0);
  }
}, PARENT_CHECK_MS);
