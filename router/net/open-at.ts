/** Requests to a host with several addresses. */
import { type Outgoing, type OutgoingAnswer, open, UnreachableError } from './outgoing';

/**
 * Tries the addresses in order, until one can be reached. Rejects as `open` does.
 * @param addresses that were checked. Empty: the connection is left to a proxy or the system's resolver.
 */
export function openAt(addresses: readonly string[], outgoing: Omit<Outgoing, 'address'>): Promise<OutgoingAnswer> {
  const answer = open({ ...outgoing, address: addresses[0] });
  return addresses.length > 1 ? orAtOthers(answer, addresses.slice(1), outgoing) : answer;
}

async function orAtOthers(
  first: Promise<OutgoingAnswer>,
  others: readonly string[],
  outgoing: Omit<Outgoing, 'address'>,
): Promise<OutgoingAnswer> {
  let answer = first;
  for (const address of others) {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof UnreachableError) || error.mayHaveArrived) throw error;
      answer = open({ ...outgoing, address });
    }
  }
  return answer;
}
