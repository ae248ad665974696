/** What a runner asks of its upstream: which paths there are, and what the broker changes in a body. */
import type { JsonBody } from '../backends/shape';
import { isJsonObject, jsonObject, parseBody } from '../lib/json';
import { estimatedTokens, NO_TOKENS, type Tokens } from '../usage/tokens';

export interface UpstreamPath {
  readonly method: 'GET' | 'POST';
  /** Whether the answer is a model's text: the owner's model answers, and its tokens can be guessed. */
  readonly isText: boolean;
  /** Whether it is known in any case what was used: an answer tells its tokens, or they can be guessed from texts. */
  readonly isCountable: boolean;
}

const get: UpstreamPath = { method: 'GET', isText: false, isCountable: true };
const text: UpstreamPath = { method: 'POST', isText: true, isCountable: true };
const vectors: UpstreamPath = { method: 'POST', isText: false, isCountable: true };
/** Pictures and sounds: some models tell tokens of them, others are paid by the piece. */
const media: UpstreamPath = { method: 'POST', isText: false, isCountable: false };

/** What runners may call, below `/v1/`. */
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
/** Paths whose requests ask for several pieces, each of which is paid for. */
const PICTURES = /^images\//;
/**
 * What a model may write where a request sets no bound. Several stop there by themselves, and hardly any answer of an
 * agent is as long.
 */
const WRITTEN_TOKENS = 16_384;
/** OpenAI's names of the bound, of three of its APIs. */
const BOUNDS = ['max_completion_tokens', 'max_tokens', 'max_output_tokens'];
/** Streams that tell their usage only when `stream_options` asks for it; a stream of `responses` always does. */
const SILENT_STREAMS = new Set(['chat/completions', 'completions']);
/** Members whose texts are the prompt. */
const PROMPT_MEMBERS = ['messages', 'prompt', 'input', 'instructions', 'tools', 'functions'];
/** Members that are no text: pictures, sounds and files, ids, and words of the API's own. */
const OTHER_MEMBERS = new Set([
  ...['data', 'file_data', 'image_url', 'b64_json', 'url'],
  ...['id', 'role', 'type', 'status', 'finish_reason'],
]);
/** Of what a request names as its model, in its row of usage. */
const MODEL_LENGTH_MAX = 200;
const FORM_MODEL = /name="model"\r\n\r\n([^\r\n]{1,200})\r\n/;
/** Fields of a form that a server may take for the model, however they are written. */
const FORM_MODELS = /name\*?="?(?:[\w-]*'[\w-]*')?model"?\s*[;\r\n]/gi;
const FORM_COUNTS = /name="n"\r\n\r\n(\d{1,9})\r\n/g;

export interface UpstreamBody {
  /**
   * The body for an upstream with this model.
   * @param usage whether a stream is asked for its usage although it was not, or must not be asked for it at all.
   */
  for(model: string, usage?: 'add' | 'omit'): string | Uint8Array<ArrayBuffer>;
  /** The model that this asks for at an upstream with this one. Empty where a path has none. */
  modelAt(model: string): string;
  /** Whether it asks for a stream that tells its usage only when it is asked for it, and whether it is asked. */
  readonly usage: 'asked' | 'lacking' | undefined;
  /** Whether the answer comes later, at another address, and what it has used with it. */
  readonly isBackground: boolean;
  /** How often a price per call is charged: once, or for each picture that it asks for. */
  readonly calls: number;
  /** A guess at the tokens of the prompt. */
  promptTokens(): number;
  /** What it may use at most, by a guess at its prompt and by the bound that it sets to its answer. */
  mostTokens(): Tokens;
}

/** @param path one of `UPSTREAM_PATHS`. Throws `invalid_request` where the broker must know the body and cannot. */
export function upstreamBody(path: string, bytes: Uint8Array<ArrayBuffer>, contentType: string): UpstreamBody {
  const isText = UPSTREAM_PATHS.get(path)?.isText === true;
  // Multipart forms, and whatever else is none of the broker's business, go as they are.
  // A body that is not read is the upstream's to refuse, where it is not text: it knows what it takes there.
  const body = isText ? parseBody(bytes) : /json/i.test(contentType) ? jsonObject(bytes) : undefined;
  const asked = typeof body?.model === 'string' ? body.model : (body ?? formModel(bytes, contentType));
  const promptTokens = () => (body ? PROMPT_MEMBERS.reduce((sum, name) => sum + tokensIn(body[name]), 0) : 0);
  return {
    for(model, usage) {
      if (!body || !isText || (body.model === model && !usage)) return bytes;
      // URL, key and model belong together, and a runner may have started with an older model.
      const { stream_options: options, ...rest } = body;
      const asked = usage === 'add' ? { ...objectOf(options), include_usage: true } : options;
      return JSON.stringify({
        ...rest,
        model,
        ...(usage !== 'omit' && asked !== undefined && { stream_options: asked }),
      });
    },
    modelAt: (model) => (isText ? model : typeof asked === 'string' ? asked.slice(0, MODEL_LENGTH_MAX) : ''),
    usage: SILENT_STREAMS.has(path) && body?.stream === true ? (hasUsage(body) ? 'asked' : 'lacking') : undefined,
    isBackground: path === 'responses' && body?.background === true,
    calls: PICTURES.test(path) ? piecesOf(body ? body.n : formCount(bytes, contentType)) : 1,
    promptTokens,
    mostTokens: () => ({ ...NO_TOKENS, prompt: promptTokens(), completion: isText && body ? mostWritten(body) : 0 }),
  };
}

/** A guess at the tokens of a prompt: from its texts, and from tokens that stand in it as numbers. */
function tokensIn(value: unknown): number {
  return estimatedTokens(textBytes(value)) + numbersIn(value);
}

/** Of a prompt of tokens, or of several: `[1, 2]`, `[[1, 2], [3]]`. */
function numbersIn(value: unknown): number {
  if (typeof value === 'number') return 1;
  return Array.isArray(value) ? value.reduce<number>((sum, one) => sum + numbersIn(one), 0) : 0;
}

/** For each of the answers that are asked for, and for each of several prompts. */
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

/** Bytes of all texts in a request or an answer, however deep they stand in it. */
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

/** Empty where a server could read another one: what is not known has no price. */
function formModel(bytes: Uint8Array, contentType: string): string | undefined {
  const form = formText(bytes, contentType);
  return form.match(FORM_MODELS)?.length === 1 ? FORM_MODEL.exec(form)?.[1] : undefined;
}

/** The largest, where there are several: which one counts is the server's to say. */
function formCount(bytes: Uint8Array, contentType: string): number {
  return Math.max(0, ...[...formText(bytes, contentType).matchAll(FORM_COUNTS)].map(([, count]) => Number(count)));
}

function formText(bytes: Uint8Array, contentType: string): string {
  if (!/^multipart\/form-data/i.test(contentType)) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
