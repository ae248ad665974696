/**
 * `fetch` for a library that calls servers which a setting names: by our client, at addresses that are checked, with bounds,
 * and without following redirects.
 */
import { AppError } from '../lib/errors';
import type { UpstreamAddresses } from './address-policy';
import { reachOf } from './addresses';
import { readText } from './body';
import { openAt } from './open-at';

/** As a library calls `fetch`. */
export type LibraryFetch = (
  url: string,
  request: {
    readonly method: string;
    readonly headers: HeadersInit;
    /** Text or a form. */
    readonly body?: unknown;
    readonly signal?: AbortSignal | null | undefined;
  },
) => Promise<Response>;

/** Headers of an answer that libraries read. */
const PASSED_ON = ['content-type', 'www-authenticate'];
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Calls what `home` leads to: servers with private addresses only where `home` has one itself. Rejects with
 * `UnreachableError`, the errors of the address policy, or the reason of a signal.
 * @param options.home the URL that the setting has.
 * @param options.bytesMax of an answer; of a longer one the beginning is read.
 * @param options.limitMs for a whole request.
 */
export function libraryFetch(options: {
  readonly addresses: UpstreamAddresses;
  readonly home: string;
  readonly bytesMax: number;
  readonly limitMs: number;
}): LibraryFetch {
  const { addresses, home, bytesMax, limitMs } = options;

  async function checked(url: URL): Promise<readonly string[]> {
    const found = await addresses.ofUrl(url);
    const isPrivate = (all: readonly string[]) => all.some((address) => reachOf(address) === 'private');
    if (isPrivate(found) && !isPrivate(await addresses.ofUrl(new URL(home)))) {
      throw new AppError('invalid_request', {
        message: `${new URL(home).host} leads to the private address of ${url.host}.`,
      });
    }
    return addresses.proxyOf(url) === undefined ? found : [];
  }

  return async (target, { method, headers, body, signal }) => {
    const url = new URL(target);
    const found = await checked(url);
    const limit = AbortSignal.timeout(limitMs);
    const answer = await openAt(found, {
      url: url.href,
      proxy: addresses.proxyOf(url),
      method,
      headers: Object.fromEntries(new Headers(headers)),
      ...(body ? { body: String(body) } : {}),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const text = await readText(answer.body, bytesMax);
    const passed = PASSED_ON.flatMap((name): [string, string][] => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const init = { status: answer.status, headers: passed };
    return new Response(WITHOUT_BODY.has(answer.status) ? null : text, init);
  };
}
