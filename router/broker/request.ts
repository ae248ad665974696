/** What a runner asks of its upstream: which paths there are, and what the broker changes in a body. */
import type { JsonBody } from '../backends/shape';
import { isJsonObject, jsonObject, parseBody } from '../lib/json';
import { estimatedTokens } from '../usage/tokens';

interface UpstreamPath {
  readonly method: 'GET' | 'POST';
  /** Whether the answer is a model's text: the owner's model answers, and its tokens can be guessed. */
  readonly isText: boolean;
}

const get: UpstreamPath = { method: 'GET', isText: false };
const post: UpstreamPath = { method: 'POST', isText: false };
const text: UpstreamPath = { method: 'POST', isText: true };

/** What runners may call, below `/v1/`. */
export const UPSTREAM_PATHS: ReadonlyMap<string, UpstreamPath> = new Map([
  ['chat/completions', text],
  ['completions', text],
  ['responses', text],
  ['embeddings', post],
  ['models', get],
  ['audio/speech', post],
  ['audio/transcriptions', post],
  ['audio/translations', post],
  ['images/generations', post],
  ['images/edits', post],
  ['images/variations', post],
]);
/** Streams that tell their usage only when `stream_options` asks for it; a stream of `responses` always does. */
const SILENT_STREAMS = new Set(['chat/completions', 'completions']);
/** Members whose texts are the prompt. */
const PROMPT_MEMBERS = ['messages', 'prompt', 'input', 'instructions', 'tools', 'functions'];
/** Members that are no text: pictures, sounds and files, ids, and words of the API's own. */
const OTHER_MEMBERS = new Set([
  ...['data', 'file_data', 'image_url', 'b64_json', 'url'],
  ...['id', 'role', 'type', 'status', 'finish_reason'],
]);
const FORM_MODEL = /name="model"\r\n\r\n([^\r\n]{1,200})\r\n/;

export interface UpstreamBody {
  /** The body for an upstream with this model. @param addUsage whether a stream is to tell its usage at its end. */
  for(model: string, addUsage: boolean): string | Uint8Array<ArrayBuffer>;
  /** The model that this asks for at an upstream with this one. Empty where a path has none. */
  modelAt(model: string): string;
  /** Whether it asks for a stream that will not tell its usage. */
  readonly lacksUsage: boolean;
  /** A guess at the tokens of the prompt. */
  promptTokens(): number;
}

/** @param path one of `UPSTREAM_PATHS`. Throws `invalid_request` where the broker must know the body and cannot. */
export function upstreamBody(path: string, bytes: Uint8Array<ArrayBuffer>, contentType: string): UpstreamBody {
  const isText = UPSTREAM_PATHS.get(path)?.isText === true;
  // Multipart forms, and whatever else is none of the broker's business, go as they are.
  // A body that is not read is the upstream's to refuse, where it is not text: it knows what it takes there.
  const body = isText ? parseBody(bytes) : /json/i.test(contentType) ? jsonObject(bytes) : undefined;
  const asked = typeof body?.model === 'string' ? body.model : (body ?? formModel(bytes, contentType));
  return {
    for(model, addUsage) {
      if (!body || !isText || (body.model === model && !addUsage)) return bytes;
      // URL, key and model belong together, and a runner may have started with an older model.
      const usage = addUsage && { stream_options: { ...objectOf(body.stream_options), include_usage: true } };
      return JSON.stringify({ ...body, model, ...usage });
    },
    modelAt: (model) => (isText ? model : typeof asked === 'string' ? asked : ''),
    lacksUsage: SILENT_STREAMS.has(path) && body?.stream === true && !hasUsage(body),
    promptTokens: () =>
      estimatedTokens(body ? PROMPT_MEMBERS.reduce((sum, name) => sum + textBytes(body[name]), 0) : 0),
  };
}

/** Bytes of all texts in a request or an answer. */
export function textBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce((sum, [name, inner]) => {
    return OTHER_MEMBERS.has(name) ? sum : sum + textBytes(inner);
  }, 0);
}

function hasUsage(body: JsonBody): boolean {
  return objectOf(body.stream_options)?.include_usage === true;
}

function objectOf(value: unknown): JsonBody | undefined {
  return isJsonObject(value) ? value : undefined;
}

function formModel(bytes: Uint8Array, contentType: string): string | undefined {
  if (!/^multipart\/form-data/i.test(contentType)) return undefined;
  return FORM_MODEL.exec(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))?.[1];
}
