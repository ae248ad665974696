/** Sends one request to an upstream, at an address that was checked. */
import type { Upstream } from '../credentials/credentials';
import { AppError } from '../lib/errors';
import type { UpstreamAddresses } from '../net/address-policy';
import { addressBelow } from '../net/addresses';
import { openAt } from '../net/open-at';
import { type Outgoing, type OutgoingAnswer, UnreachableError } from '../net/outgoing';

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

export function upstreamSender(addresses: UpstreamAddresses): Send {
  return async ({ baseUrl, apiKey }, path, rest) => {
    const allowed = await addresses.of(baseUrl);
    const proxy = addresses.proxyOf(baseUrl);
    const outgoing = {
      ...rest,
      url: addressBelow(baseUrl, path),
      proxy,
      headers: { ...rest.headers, authorization: `Bearer ${apiKey}` },
    };
    const response = await openAt(proxy === undefined ? allowed : [], outgoing).catch((error: unknown) => {
      if (error instanceof UnreachableError) addresses.forget(baseUrl);
      throw error;
    });
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
