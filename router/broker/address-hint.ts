/** What to change in a base URL at which there is no API, for the person who has set it. */
import { isPage, readRefusal } from '../../backends/shared/upstream-errors';

/** What an API's address ends before: the broker adds these itself. */
const ENDPOINT = /\/(chat\/completions|completions|responses|embeddings|models)$/;
const VERSION = /\/v\d\w*(\/|$)/;
/** How servers say that they know no such path, also with a status of 200. */
const NO_SUCH_PATH = /unexpected endpoint|no route|not found|cannot (post|get)|no such (path|endpoint|route)/i;

/** @param baseUrl as it was set. Undefined where nothing about it looks wrong. */
export function addressHint(baseUrl: string): string | undefined {
  const { origin, pathname } = new URL(baseUrl);
  const path = pathname.replace(/(?<!\/)\/+$/, '');
  if (ENDPOINT.test(path)) return `LLM_BASE_URL ends too late: set ${origin}${path.replace(ENDPOINT, '')}.`;
  if (!VERSION.test(path)) return `LLM_BASE_URL has no version in it, as most APIs have: try ${origin}${path}/v1.`;
  return undefined;
}

/**
 * Whether an answer says that there is no API where it came from. Where it speaks of the model, an API has understood.
 * @param text the body, or its beginning.
 */
export function isElsewhere(status: number, text: string): boolean {
  if (isPage(text)) return status < 500;
  const words = readRefusal(text)?.message ?? '';
  if (/\bmodel\b/i.test(words)) return false;
  return status === 404 || status === 405 || (status < 300 && NO_SUCH_PATH.test(words));
}
