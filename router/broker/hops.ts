/**
 * How many routers a request has come through. A user can have LLM_BASE_URL lead back here by a way that no address gives
 * away, such as a forwarder; each agent would then ask itself for ever. The broker counts its calls in a header. An agent
 * does not pass that on, so what its open requests came with counts for all calls that it makes meanwhile.
 */
import { AppError } from '../lib/errors';
import type { AnswerHeaders } from '../net/outgoing';

export const HOPS_HEADER = 'x-agent-stack-hops';
/** A router may be the LLM API of another one; more than three in a row is a circle. */
const HOPS_MAX = 3;
const NOTHING = () => undefined;

/** How many a request says to have come through. Throws `loop_detected` for more than there may be. */
export function hopsIn(headers: AnswerHeaders): number {
  const hops = Number.parseInt(headers.get(HOPS_HEADER) ?? '', 10) || 0;
  if (hops > HOPS_MAX) throw new AppError('loop_detected');
  return hops;
}

export type Hops = ReturnType<typeof createHops>;

/** The hops of the requests that agents are at work on. */
export function createHops() {
  const open = new Map<string, number[]>();
  return {
    /** A request with hops is under way. @returns how it ends. */
    enter(agentId: string, hops: number): () => void {
      if (hops === 0) return NOTHING;
      const all = open.get(agentId) ?? [];
      open.set(agentId, all);
      all.push(hops);
      return () => {
        all.splice(all.indexOf(hops), 1);
        if (all.length === 0 && open.get(agentId) === all) open.delete(agentId);
      };
    },

    /** The most that a request of the agent's has come through. */
    of: (agentId: string): number => Math.max(0, ...(open.get(agentId) ?? [])),
  };
}
