/** Suggests a change of a base URL at which there is no API. The text is for the person who has set the URL. */
import { isPage, readRefusal } from '../../backends/shared/upstream-errors';

/** Paths that the broker itself adds to a base URL, so a base URL must not end in one of them. */
const ENDPOINT = /\/(chat\/completions|completions|responses|embeddings|models)$/;
const VERSION = /\/v\d\w*(\/|$)/;
/** How servers report an unknown path, also with status 200. */
const NO_SUCH_PATH = /unexpected endpoint|no route|not found|cannot (post|get)|no such (path|endpoint|route)/i;

/** @param baseUrl The URL as it was entered. Returns undefined if it has no known mistake. */
export function addressHint(baseUrl: string): string | undefined {
  const { origin, pathname } = new URL(baseUrl);
  const path = pathname.replace(/(?<!\/)\/+$/, '');
  if (ENDPOINT.test(path)) return `LLM_BASE_URL ends too late: set ${origin}${path.replace(ENDPOINT, '')}.`;
  if (!VERSION.test(path)) return `LLM_BASE_URL has no version in it, as most APIs have: try ${origin}${path}/v1.`;
  return undefined;
}

/**
 * Whether an answer says that there is no API at its address. An answer that mentions the model comes from an API.
 * @param text The body, or its beginning.
 */
export function isElsewhere(status: number, text: string): boolean {
  if (isPage(text)) return status < 500;
  const message = readRefusal(text)?.message ?? '';
  if (/\bmodel\b/i.test(message)) return false;
  return status === 404 || status === 405 || (status < 300 && NO_SUCH_PATH.test(message));
}
