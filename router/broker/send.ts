/** Sends one request to an upstream, at an address that was checked. */
import type { Upstream } from '../credentials/credentials';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';
import type { UpstreamAddresses } from '../net/address-policy';
import { addressBelow } from '../net/addresses';
import { openAt } from '../net/open-at';
import { type Outgoing, type OutgoingAnswer, UnreachableError } from '../net/outgoing';
import { partsOf, type UrlParts } from '../net/url-parts';

/**
 * Tries the addresses of the upstream's host in order, until one can be reached. Throws `UnreachableError`; and
 * `upstream_unreachable` for a redirect, which would take the key to another address.
 * @param path below the base URL.
 */
export type Send = (
  upstream: Pick<Upstream, 'baseUrl' | 'apiKey'>,
  path: string,
  rest: Omit<Outgoing, 'url' | 'address'>,
) => Promise<OutgoingAnswer>;

const PLACES_MAX = 1_000;

export function upstreamSender(addresses: UpstreamAddresses): Send {
  /** By path and base URL. In memory only: a token may be in the path of a base URL. */
  const places = new Recent<string, UrlParts>(PLACES_MAX);

  function placeOf(baseUrl: string, path: string): UrlParts {
    const text = `${path} ${baseUrl}`;
    const known = places.get(text);
    if (known) return known;
    const place = partsOf(new URL(addressBelow(baseUrl, path)));
    places.set(text, place);
    return place;
  }

  return async ({ baseUrl, apiKey }, path, rest) => {
    const checking = addresses.of(baseUrl);
    const allowed = checking instanceof Promise ? await checking : checking;
    const url = placeOf(baseUrl, path);
    const proxy = addresses.proxyOf(url);
    const headers = { ...rest.headers, authorization: `Bearer ${apiKey}` };
    let response: OutgoingAnswer;
    try {
      response = await openAt(proxy === undefined ? allowed : [], { ...rest, url, proxy, headers });
    } catch (error) {
      if (error instanceof UnreachableError) addresses.forget(baseUrl);
      throw error;
    }
    if (response.status < 300 || response.status > 399) return response;
    response.body.cancel();
    throw new AppError('upstream_unreachable', {
      message: 'LLM_BASE_URL answers with a redirect. Set the address it redirects to.',
    });
  };
}

export function isOk({ status }: OutgoingAnswer): boolean {
  return status >= 200 && status < 300;
}
