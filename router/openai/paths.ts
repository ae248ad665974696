/** The paths of `/v1`: what a client may name, of which type, and which path of the runner serves it. */
import type { Backend } from '../backends/backends';
import { serves } from '../backends/traits';
import { AppError } from '../lib/errors';
import { AT_BASE_URL, BASE_URL_ADVICE, isBehindTooMuch } from '../web/base-url';

/** Paths whose requests are JSON. Other paths of a backend may have any type. */
const JSON_PATHS = new Set([
  ...['chat/completions', 'completions', 'responses', 'embeddings', 'moderations'],
  ...['images/generations', 'audio/speech'],
]);
/** Paths whose streams close with `[DONE]`. */
export const ENDS_WITH_DONE = new Set(['chat/completions', 'completions']);
/** Encoded separators and dots. A runner may decode them to a path that is not allowed. */
const HIDDEN_PATH = /%(2e|2f|5c|00)|\/\//i;

/** Returns the path below `/v1/`, as sent. Throws for a path that a runner could decode to another one (law 12). */
export function relayPath({ pathname }: Pick<URL, 'pathname'>): string {
  // The server has resolved plain dot segments before it chose this route, but not encoded ones.
  if (HIDDEN_PATH.test(pathname)) {
    // A base URL that ends in a slash.
    const advice = pathname.startsWith('/v1//') ? ` ${BASE_URL_ADVICE}` : '';
    throw new AppError('not_found', { message: `This path does not exist.${advice}` });
  }
  return pathname.slice('/v1/'.length);
}

/**
 * Throws `unsupported_media_type` for a type that the path does not accept. Nearly all paths accept JSON, the others
 * forms with files.
 */
export function checkType(path: string, type: string): void {
  const isForm = /^\s*application\/x-www-form-urlencoded/i.test(type);
  if (!isForm && (/json/i.test(type) || !JSON_PATHS.has(path))) return;
  const sent = type.split(';')[0]?.trim().slice(0, 100);
  const message = `/v1/${path} takes JSON, and this is "${sent}". Send the header "Content-Type: application/json".`;
  throw new AppError('unsupported_media_type', { message });
}

/** What to do in place of a path of OpenAI's that no agent serves. */
const INSTEAD = new Map([
  [
    'conversations',
    'A stored answer begins a conversation: go on with "previous_response_id", or "conversation" and its id.',
  ],
  ['responses', 'Below responses there are {id} and {id}/input_items, of a response that was stored here.'],
]);
const USUAL = 'Agents serve chat/completions and responses, and other paths where "paths" in backends.json lists them.';

/** The error for a path that this backend, or without one no backend, serves. */
export function notServed(path: string, backend?: Backend): AppError {
  if (path === '') return new AppError('not_found', { message: AT_BASE_URL });
  const by = backend ? `${backend.displayName} does not serve` : 'No agent serves';
  return new AppError('not_found', { message: `${by} /v1/${path.slice(0, 100)}. ${adviceFor(path)}` });
}

function adviceFor(path: string): string {
  if (JSON_PATHS.has(path.replace(/\/$/, '')) && path.endsWith('/')) return 'Leave out the slash at its end.';
  if (isBehindTooMuch(path)) return BASE_URL_ADVICE;
  const [noun = ''] = path.split('/');
  return (path === 'responses' ? undefined : INSTEAD.get(noun)) ?? USUAL;
}

/** Returns the path on the runner. Throws `not_found`. */
export function runnerPathOf(backend: Backend, path: string): string {
  if (serves(backend, path)) return path;
  // Every backend answers /v1/responses: if it has no such path, the router uses its chat.
  if (path !== 'responses' || !serves(backend, 'chat/completions')) {
    throw notServed(path, backend);
  }
  return 'chat/completions';
}
