/** The parts of URLs. A `URL` of the platform is a native object, and so is each of its parts when it is asked for. */

/** A `URL` is one, too. */
export type UrlParts = Readonly<Pick<URL, 'href' | 'protocol' | 'host' | 'hostname' | 'port' | 'pathname' | 'search'>>;

/** Clients and runners are asked for the same few again and again. */
const KNOWN_MAX = 1_000;
const KNOWN_LENGTH_MAX = 200;
/** What may be a secret of a client, a query or a user, is not kept. */
const MAY_BE_SECRET = /[?@#]/;
const known = new Map<string, UrlParts>();

/** The parts of a URL that is not a user's: it may be kept. Throws `TypeError` for a text that is no URL. */
export function urlParts(text: string): UrlParts {
  const kept = known.get(text);
  if (kept) return kept;
  const parts = partsOf(new URL(text));
  if (text.length > KNOWN_LENGTH_MAX || MAY_BE_SECRET.test(text)) return parts;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, parts);
  return parts;
}

export function partsOf({ href, protocol, host, hostname, port, pathname, search }: URL): UrlParts {
  return { href, protocol, host, hostname, port, pathname, search };
}
