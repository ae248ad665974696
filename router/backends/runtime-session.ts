/**
 * The session that a runtime keeps for a conversation: its name, and the variables and headers that tell the runner. Which
 * ones, `backends.json` says for each backend.
 */
import { newId } from '../lib/ids';
import { type Backend, fillIn } from './backends';

/** The variables for `${…}` in a backend's `headers` and `session_body`. */
export interface SessionVariables {
  readonly user: string;
  readonly agent: string;
  /**
   * The result of `sessionName`. Absent when a request belongs to no conversation; members that use it are then left
   * out.
   */
  readonly conversation: string | undefined;
  /** The conversation, or else an id of this request only: for a runtime that always keeps a session. */
  readonly session: string;
  /**
   * The id of the request, known only to the router and the runner: the agent sends it back with the upstream calls
   * that serve the request.
   */
  readonly work: string;
}

/** The variables of one request. */
export function sessionVariables(user: string, agent: string, conversation?: string): SessionVariables {
  const work = newId();
  return { user, agent, session: conversation ?? work, conversation, work };
}

/**
 * The name of a conversation for its runtime. Lower case. A rewind of the messages gives a new name, because positions
 * are never reused.
 */
export function sessionName({ id, sessionFrom }: { id: string; sessionFrom: number }): string {
  return sessionFrom === 0 ? id : `${id}-${sessionFrom}`;
}

/** The backend's headers for this session. */
export function sessionHeaders(backend: Backend, variables: SessionVariables): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(backend.headers)) {
    const value = fill(template, variables);
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** The template with its variables filled in, or `undefined` when one of them has no value. */
export function fill(template: string, variables: SessionVariables): string | undefined {
  const text = fillIn(template, { ...variables });
  return /\$\{\w+\}/.test(text) ? undefined : text;
}
