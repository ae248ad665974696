/**
 * Counts the routers that a request has passed. A user can set LLM_BASE_URL to an address that leads back to this
 * router, for example through a forwarder, which no check of the address can detect; each agent would then call itself
 * without end. The broker sends the count in a header. An agent does not pass that header on, so the count of its open
 * requests applies to every call that it makes meanwhile.
 */
import { AppError } from '../lib/errors';
import type { AnswerHeaders } from '../net/outgoing';
import type { Held } from '../relay/relayed';

export const HOPS_HEADER = 'x-agent-stack-hops';
/** The LLM API may be another router; more than three in a row are a loop. */
const HOPS_MAX = 3;
const NOTHING: Held = { end: () => undefined };

/** Reads the count from a request. Throws `loop_detected` above the maximum. */
export function hopsIn(headers: AnswerHeaders): number {
  const hops = Number.parseInt(headers.get(HOPS_HEADER) ?? '', 10) || 0;
  if (hops > HOPS_MAX) throw new AppError('loop_detected');
  return hops;
}

export type Hops = ReturnType<typeof createHops>;

/** The counts of the requests that agents are working on. */
export function createHops() {
  const open = new Map<string, number[]>();

  function entered(agentId: string, hops: number): Held {
    const all = open.get(agentId) ?? [];
    open.set(agentId, all);
    all.push(hops);
    return {
      end() {
        all.splice(all.indexOf(hops), 1);
        if (all.length === 0 && open.get(agentId) === all) open.delete(agentId);
      },
    };
  }

  return {
    /** Registers a request with its count. @returns what the caller ends with the request. */
    enter: (agentId: string, hops: number): Held => (hops === 0 ? NOTHING : entered(agentId, hops)),

    /** The highest count among the agent's open requests. */
    of: (agentId: string): number => Math.max(0, ...(open.get(agentId) ?? [])),
  };
}
