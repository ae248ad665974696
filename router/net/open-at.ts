/** Requests to a host with several addresses. */
import { type Outgoing, type OutgoingAnswer, open, UnreachableError } from './outgoing';

/**
 * Tries the addresses in order, until one can be reached. Rejects as `open` does.
 * @param addresses that were checked. Empty: the connection is left to a proxy or the system's resolver.
 */
export function openAt(addresses: readonly string[], outgoing: Omit<Outgoing, 'address'>): Promise<OutgoingAnswer> {
  const [first, ...others] = addresses;
  const at = (address: string | undefined) => open({ ...outgoing, ...(address !== undefined && { address }) });
  let answer = at(first);
  for (const address of others) {
    answer = answer.catch((error: unknown) => {
      if (error instanceof UnreachableError && !error.mayHaveArrived) return at(address);
      throw error;
    });
  }
  return answer;
}
