/**
 * A scripted upstream: an OpenAI-compatible LLM API on a port of its own, for tests of whatever calls one.
 *
 *     await using upstream = startUpstream();
 *     upstream.script({ pieces: ['Hel', gate.promise, 'lo'] });   // the next answer; waits where there is a promise
 *     upstream.script({ status: 429, message: 'Slow down.' });    // the one after that
 *
 * Without a script it answers "Hello from upstream." Wrong keys get 401. Scripts are used up in order.
 */
import { event } from './sse';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** An answer in pieces. A promise among them holds the answer back until it settles; `hang()` is one that never does. */
export interface TextScript {
  readonly pieces: Iterable<string | Promise<unknown>>;
  /** `none`: an API that does not tell it. */
  readonly usage?: Usage | 'none';
  readonly finish?: string;
  /**
   * After the last piece: `done` ends as OpenAI does, `cut` resets the connection (bytes on their way are lost with it,
   * so put a promise before it that settles when they have arrived), `close` ends the body without finish chunk and
   * [DONE], `error` sends an error event in place of the rest.
   */
  readonly end?: 'done' | 'cut' | 'close' | 'error';
}

/** A refusal before the answer. `body` replaces OpenAI's error object. */
export interface ErrorScript {
  readonly status: number;
  readonly message?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Neither headers nor a byte. */
interface SilentScript {
  readonly silent: true;
}

export type Script = TextScript | ErrorScript | SilentScript;

export interface UpstreamBody {
  readonly model?: string;
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly [key: string]: unknown;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path below `/v1`, like `/chat/completions`. */
  readonly path: string;
  readonly headers: Headers;
  /** Empty where what came was no JSON. */
  readonly body: UpstreamBody;
  /** The body as it came. */
  readonly text: string;
  /** Settles when the answer has ended or the caller is gone, with which of the two it was. */
  readonly ended: Promise<'finished' | 'aborted'>;
}

export interface Upstream extends AsyncDisposable {
  /** Base URL ending in `/v1`, without a trailing slash. */
  readonly url: string;
  /** The key it accepts. */
  key: string;
  /** Every request with the right key, oldest first. */
  readonly requests: readonly UpstreamRequest[];
  /** How many requests came with a wrong key. */
  readonly refusedCount: number;
  /** How many callers left before their answer had ended. */
  readonly abortedCount: number;
  /** What it has said to have used, all answers together. */
  readonly served: { prompt: number; completion: number };
  script(...scripts: Script[]): void;
  /** Forgets what was scripted and not asked for. */
  unscript(): void;
  /** The request number `count` (from 1), as soon as it is there. */
  request(count: number): Promise<UpstreamRequest>;
  stop(): Promise<void>;
}

export const UPSTREAM_USAGE: Usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

const HELLO: TextScript = { pieces: ['Hello', ' from', ' upstream.'] };

/** A place in `pieces` at which the answer stops for good. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}

/** Starts one on loopback, on a port the kernel picks. */
export function startUpstream(options: { readonly key?: string; readonly model?: string } = {}): Upstream {
  const state = new State(options.key ?? 'sk-upstream-real-key', options.model ?? 'test-model');
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: (request) => state.answer(request),
  });
  const stop = () => server.stop(true);
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.port}/v1`,
    stop,
    [Symbol.asyncDispose]: stop,
  });
}

class State {
  readonly requests: UpstreamRequest[] = [];
  refusedCount = 0;
  abortedCount = 0;
  readonly served = { prompt: 0, completion: 0 };
  private readonly scripts: Script[] = [];
  private readonly arrivals = new EventTarget();

  constructor(
    public key: string,
    private readonly model: string,
  ) {}

  script(...scripts: Script[]): void {
    this.scripts.push(...scripts);
  }

  unscript(): void {
    this.scripts.length = 0;
  }

  async request(count: number): Promise<UpstreamRequest> {
    for (;;) {
      const found = this.requests[count - 1];
      if (found) return found;
      await new Promise((resolve) => this.arrivals.addEventListener('request', resolve, { once: true }));
    }
  }

  private serve({ prompt_tokens, completion_tokens }: Usage): void {
    this.served.prompt += prompt_tokens;
    this.served.completion += completion_tokens;
  }

  async answer(request: Request): Promise<Response> {
    if (request.headers.get('authorization') !== `Bearer ${this.key}`) {
      this.refusedCount += 1;
      return refusal({ status: 401, message: 'Incorrect API key provided.', code: 'invalid_api_key' });
    }
    const path = new URL(request.url).pathname.replace(/^\/v1/, '');
    const text = await request.text();
    const isJson = request.headers.get('content-type')?.includes('json') === true;
    const body: UpstreamBody = text === '' || !isJson ? {} : JSON.parse(text);
    const ended = Promise.withResolvers<'finished' | 'aborted'>();
    const gone = new AbortController();
    request.signal.addEventListener('abort', () => gone.abort());
    gone.signal.addEventListener('abort', () => ended.resolve('aborted'));
    void ended.promise.then((how) => {
      if (how === 'aborted') this.abortedCount += 1;
    });
    this.requests.push({ method: request.method, path, headers: request.headers, body, text, ended: ended.promise });
    this.arrivals.dispatchEvent(new Event('request'));

    if (path === '/models') {
      ended.resolve('finished');
      return Response.json({
        object: 'list',
        data: [{ id: this.model, object: 'model', created: 0, owned_by: 'test' }],
      });
    }
    const script = this.scripts.shift() ?? HELLO;
    if ('silent' in script) await aborted(gone.signal);
    if ('pieces' in script) {
      const say = { path, usage: (told: Usage) => this.serve(told) };
      return textAnswer(script, body, say, { gone, finished: () => ended.resolve('finished') });
    }
    ended.resolve('finished');
    return refusal('status' in script ? script : { status: 500 });
  }
}

/** Where an answer goes, and who is told when it tells its usage. */
interface Say {
  readonly path: string;
  usage(told: Usage): void;
}

function refusal({ status, message, code, headers, body }: ErrorScript): Response {
  const error = { message: message ?? `Scripted ${status}.`, type: 'upstream_error', param: null, code: code ?? null };
  return new Response(body ?? JSON.stringify({ error }), {
    status,
    headers: { 'content-type': body === undefined ? 'application/json' : 'text/html', ...headers },
  });
}

async function textAnswer(
  script: TextScript,
  body: UpstreamBody,
  say: Say,
  { gone, finished }: { gone: AbortController; finished: () => void },
): Promise<Response> {
  const events = body.stream !== true ? wholeAnswer : say.path === '/responses' ? responseEvents : streamEvents;
  const steps = events(script, body, say);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const step = await Promise.race([steps.next(), aborted(gone.signal)]);
      if (step === 'aborted') return;
      if (!step.done) return controller.enqueue(encoder.encode(step.value));
      finished();
      // Bun resets the connection, and prints any reason that is given.
      if (script.end === 'cut') controller.error(undefined);
      else controller.close();
    },
    cancel: () => gone.abort(),
  });
  const type = body.stream === true ? 'text/event-stream' : 'application/json';
  return new Response(stream, { headers: { 'content-type': type } });
}

async function* streamEvents(script: TextScript, body: UpstreamBody, say: Say): AsyncGenerator<string> {
  const chunk = (delta: object, finish: string | null) =>
    event({ ...base(body, '.chunk'), choices: [{ index: 0, delta, finish_reason: finish }] });
  yield chunk({ role: 'assistant', content: '' }, null);
  for (const piece of script.pieces) {
    if (typeof piece === 'string') yield chunk({ content: piece }, null);
    else await piece;
  }
  if (script.end === 'error')
    yield event({ error: { message: 'Scripted error.', type: 'server_error', param: null, code: null } });
  if (script.end !== undefined && script.end !== 'done') return;
  yield chunk({}, script.finish ?? 'stop');
  if (body.stream_options?.include_usage === true && script.usage !== 'none') {
    yield event({ ...base(body, '.chunk'), choices: [], ...told(script, say) });
  }
  yield 'data: [DONE]\n\n';
}

/** As the responses API streams: the usage is in the last event, unasked. */
async function* responseEvents(script: TextScript, body: UpstreamBody, say: Say): AsyncGenerator<string> {
  let text = '';
  for (const piece of script.pieces) {
    if (typeof piece === 'string') yield event({ type: 'response.output_text.delta', delta: piece });
    else await piece;
    text += typeof piece === 'string' ? piece : '';
  }
  const { usage } = told(script, say);
  const counted = usage && { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens };
  yield event({
    type: 'response.completed',
    response: { model: body.model, output: text, usage: counted, user: null },
  });
}

async function* wholeAnswer(script: TextScript, body: UpstreamBody, say: Say): AsyncGenerator<string> {
  let content = '';
  for (const piece of script.pieces) {
    if (typeof piece === 'string') content += piece;
    else await piece;
  }
  const message = { role: 'assistant', content };
  const choices = [{ index: 0, message, finish_reason: script.finish ?? 'stop' }];
  yield JSON.stringify({ ...base(body, ''), choices, ...told(script, say) });
}

function told({ usage = UPSTREAM_USAGE }: TextScript, say: Say): { usage?: Usage } {
  if (usage === 'none') return {};
  say.usage(usage);
  return { usage };
}

function base(body: UpstreamBody, suffix: string) {
  return { id: 'chatcmpl-scripted', object: `chat.completion${suffix}`, created: 1_700_000_000, model: body.model };
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve('aborted'), { once: true }));
}
