/**
 * The runtime session: what a runtime keeps of a conversation, under a name that the router gives it. `backends.json` says
 * for each backend in which headers and members of the body the runner is told the name.
 */
import { newId } from '../lib/ids';
import type { Backend } from './backends';
import { fillIn } from './fill-in';

/** The variables for `${…}` in a backend's `headers` and `session_body`. */
export interface RequestVariables {
  readonly user: string;
  readonly agent: string;
  /**
   * The result of `runtimeSessionName`. Absent when a request belongs to no conversation; members that use it are then left
   * out.
   */
  readonly conversation: string | undefined;
  /** The conversation, or else an id of this request only: for a runtime that keeps a session of every request. */
  readonly session: string;
  /**
   * The id of the request, known only to the router and the runner: the agent sends it back with the upstream calls
   * that serve the request.
   */
  readonly work: string;
}

/** The variables of one request. */
export function requestVariables(user: string, agent: string, conversation?: string): RequestVariables {
  const work = newId();
  return { user, agent, session: conversation ?? work, conversation, work };
}

/**
 * The name of a conversation for its runtime. Lower case. A rewind of the messages gives a new name, because positions
 * are never reused: `insertTurn` (chat/store/turns.ts) sets `sessionFrom`.
 */
export function runtimeSessionName({ id, sessionFrom }: { id: string; sessionFrom: number }): string {
  return sessionFrom === 0 ? id : `${id}-${sessionFrom}`;
}

/** The headers that the backend's entry adds to a request. */
export function backendHeaders(backend: Backend, variables: RequestVariables): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(backend.headers)) {
    const value = fill(template, variables);
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** The template with its variables filled in, or `undefined` when one of them has no value. */
export function fill(template: string, variables: RequestVariables): string | undefined {
  const text = fillIn(template, { ...variables });
  return /\$\{\w+\}/.test(text) ? undefined : text;
}
