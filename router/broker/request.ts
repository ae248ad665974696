/** Defines the paths that a runner may call at its upstream, and how the broker changes a body. */
import type { JsonBody } from '../backends/shape';
import { isJsonObject, jsonObject, parseBody } from '../lib/json';
import { estimatedTokens, NO_TOKENS, type Tokens } from '../usage/tokens';

export interface UpstreamPath {
  readonly method: 'GET' | 'POST';
  /** Whether the answer is a model's text. Then the owner's model is set, and its tokens can be estimated. */
  readonly isText: boolean;
  /** Whether usage is always known: the answer reports it, or it can be estimated from texts. */
  readonly isCountable: boolean;
}

const get: UpstreamPath = { method: 'GET', isText: false, isCountable: true };
const text: UpstreamPath = { method: 'POST', isText: true, isCountable: true };
const vectors: UpstreamPath = { method: 'POST', isText: false, isCountable: true };
/** Pictures and sounds: some models report tokens, others are charged per piece. */
const media: UpstreamPath = { method: 'POST', isText: false, isCountable: false };

/** The paths that runners may call, below `/v1/`. */
export const UPSTREAM_PATHS: ReadonlyMap<string, UpstreamPath> = new Map([
  ['chat/completions', text],
  ['completions', text],
  ['responses', text],
  ['embeddings', vectors],
  ['models', get],
  ['audio/speech', media],
  ['audio/transcriptions', media],
  ['audio/translations', media],
  ['images/generations', media],
  ['images/edits', media],
  ['images/variations', media],
]);
/** Paths whose requests ask for several pieces, each of which is charged. */
const PICTURES = /^images\//;
/**
 * Tokens to reserve for an answer whose request sets no limit. Several models have this as their own limit, and hardly
 * any answer of an agent is longer.
 */
const WRITTEN_TOKENS = 16_384;
/** OpenAI's names of that limit, in three of its APIs. */
const BOUNDS = ['max_completion_tokens', 'max_tokens', 'max_output_tokens'];
/** Paths whose streams report usage only if `stream_options` asks for it. A stream of `responses` always does. */
const SILENT_STREAMS = new Set(['chat/completions', 'completions']);
/** Members whose texts are the prompt. */
const PROMPT_MEMBERS = ['messages', 'prompt', 'input', 'instructions', 'tools', 'functions'];
/** Members that contain no prompt text: pictures, sounds and files, ids, and keywords of the API. */
const OTHER_MEMBERS = new Set([
  ...['data', 'file_data', 'image_url', 'b64_json', 'url'],
  ...['id', 'role', 'type', 'status', 'finish_reason'],
]);
/** Longest model name that is stored in a row of usage. */
const MODEL_LENGTH_MAX = 200;
const FORM_MODEL = /name="model"\r\n\r\n([^\r\n]{1,200})\r\n/;
/** Names of form fields that a server may read as the model, in any spelling. */
const FORM_MODELS = /name\*?="?(?:[\w-]*'[\w-]*')?model"?\s*[;\r\n]/gi;
const FORM_COUNTS = /name="n"\r\n\r\n(\d{1,9})\r\n/g;

/** The body of a runner's call, as it is sent to any upstream. */
export class UpstreamBody {
  /** Whether this is a stream that reports usage only on request, and whether the request is there. */
  readonly usage: 'asked' | 'lacking' | undefined;
  /** Whether the answer, with its usage, has to be fetched later from another address. */
  readonly isBackground: boolean;
  /** How often a price per call is charged: once, or once per requested picture. */
  readonly calls: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #isText: boolean;
  /** Undefined for forms and other types, which are passed on unchanged. */
  readonly #body: JsonBody | undefined;
  readonly #model: unknown;

  /** @param path One of `UPSTREAM_PATHS`. Throws `invalid_request` if the broker must read the body and cannot. */
  constructor(path: string, bytes: Uint8Array<ArrayBuffer>, contentType: string) {
    const isText = UPSTREAM_PATHS.get(path)?.isText === true;
    // The upstream decides about a body that is not text.
    const body = isText ? parseBody(bytes) : /json/i.test(contentType) ? jsonObject(bytes) : undefined;
    this.#bytes = bytes;
    this.#isText = isText;
    this.#body = body;
    this.#model = body ? body.model : formModel(bytes, contentType);
    this.usage = SILENT_STREAMS.has(path) && body?.stream === true ? (hasUsage(body) ? 'asked' : 'lacking') : undefined;
    this.isBackground = path === 'responses' && body?.background === true;
    this.calls = PICTURES.test(path) ? piecesOf(body ? body.n : formCount(bytes, contentType)) : 1;
  }

  /**
   * Returns the body for an upstream with this model.
   * @param usage Whether to add the request for a stream's usage, or to remove it.
   */
  for(model: string, usage?: 'add' | 'omit'): string | Uint8Array<ArrayBuffer> {
    const body = this.#body;
    if (!body || !this.#isText || (body.model === model && !usage)) return this.#bytes;
    // URL, key and model belong together, and a runner may have been started with an older model.
    const { stream_options: options, ...rest } = body;
    const asked = usage === 'add' ? { ...objectOf(options), include_usage: true } : options;
    return JSON.stringify({
      ...rest,
      model,
      ...(usage !== 'omit' && asked !== undefined && { stream_options: asked }),
    });
  }

  /** The model that this request uses at an upstream with this model. Empty for paths without a model. */
  modelAt(model: string): string {
    if (this.#isText) return model;
    return typeof this.#model === 'string' ? this.#model.slice(0, MODEL_LENGTH_MAX) : '';
  }

  /** Estimated tokens of the prompt. */
  promptTokens(): number {
    const body = this.#body;
    return body ? PROMPT_MEMBERS.reduce((sum, name) => sum + tokensIn(body[name]), 0) : 0;
  }

  /** The most that the call may use: its estimated prompt plus the limit of its answer. */
  mostTokens(): Tokens {
    const completion = this.#isText && this.#body ? mostWritten(this.#body) : 0;
    return { ...NO_TOKENS, prompt: this.promptTokens(), completion };
  }
}

/** Estimates the tokens of a prompt, from its texts and from tokens that it contains as numbers. */
function tokensIn(value: unknown): number {
  return estimatedTokens(textBytes(value)) + numbersIn(value);
}

/** Counts the numbers of one prompt or of several: `[1, 2]`, `[[1, 2], [3]]`. */
function numbersIn(value: unknown): number {
  if (typeof value === 'number') return 1;
  return Array.isArray(value) ? value.reduce<number>((sum, one) => sum + numbersIn(one), 0) : 0;
}

/** Number of answers: those requested, for each of several prompts. */
function mostWritten(body: JsonBody): number {
  const bounds = BOUNDS.flatMap((name) => positive(body[name]) ?? []);
  const answers = Math.max(piecesOf(body.n), piecesOf(body.best_of));
  const prompts = Array.isArray(body.prompt) && typeof body.prompt[0] !== 'number' ? body.prompt.length : 1;
  return (bounds.length > 0 ? Math.max(...bounds) : WRITTEN_TOKENS) * answers * Math.max(1, prompts);
}

function piecesOf(value: unknown): number {
  return positive(typeof value === 'string' ? Number(value) : value) ?? 1;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? Math.ceil(value) : undefined;
}

/** Bytes of all texts in a request or an answer, at any depth. */
export function textBytes(value: unknown): number {
  let sum = 0;
  const rest = [value];
  while (rest.length > 0) {
    const one = rest.pop();
    if (typeof one === 'string') sum += Buffer.byteLength(one);
    if (Array.isArray(one)) for (const inner of one) rest.push(inner);
    else if (isJsonObject(one)) {
      for (const [name, inner] of Object.entries(one)) if (!OTHER_MEMBERS.has(name)) rest.push(inner);
    }
  }
  return sum;
}

function hasUsage(body: JsonBody): boolean {
  return objectOf(body.stream_options)?.include_usage === true;
}

function objectOf(value: unknown): JsonBody | undefined {
  return isJsonObject(value) ? value : undefined;
}

/** Empty if servers may read different models, because then there is no certain price. */
function formModel(bytes: Uint8Array, contentType: string): string | undefined {
  const form = formText(bytes, contentType);
  return form.match(FORM_MODELS)?.length === 1 ? FORM_MODEL.exec(form)?.[1] : undefined;
}

/** The largest of several limits, because the server decides which of them applies. */
function formCount(bytes: Uint8Array, contentType: string): number {
  return Math.max(0, ...[...formText(bytes, contentType).matchAll(FORM_COUNTS)].map(([, count]) => Number(count)));
}

function formText(bytes: Uint8Array, contentType: string): string {
  if (!/^multipart\/form-data/i.test(contentType)) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
