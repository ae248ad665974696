/**
 * What a backend wants to be sent: its quirks from `backends.json`, applied as data (law 13). No backend is named here.
 */
import type { Backend } from '../backends';

export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [member: string]: unknown;
}

export type ChatBody = Readonly<Record<string, unknown>> & { readonly messages?: readonly ChatMessage[] };

/** What `${…}` stands for in a backend's `headers` and `session_body`. */
export interface SessionVariables {
  readonly user: string;
  readonly agent: string;
  /** Absent where a request belongs to no conversation; what would name it is then left out. */
  readonly conversation?: string;
}

/** The backend's own headers for this session. */
export function sessionHeaders(backend: Backend, variables: SessionVariables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(backend.headers).flatMap(([name, template]) => {
      const value = fill(template, variables);
      return value === undefined ? [] : [[name.toLowerCase(), value]];
    }),
  );
}

/**
 * The body as this backend accepts it, or `undefined` when the client's own bytes can go as they are.
 * @param model value of the variable named by the backend's `forward_model_env`.
 */
export function shapeChatBody(
  backend: Backend,
  body: ChatBody,
  session: SessionVariables,
  model: string | undefined,
): ChatBody | undefined {
  const changes: Record<string, unknown> = {};
  const sentModel = model ?? backend.model;
  if (sentModel !== undefined && sentModel !== body.model) changes.model = sentModel;
  for (const [name, template] of Object.entries(backend.sessionBody)) {
    const value = fill(template, session);
    if (value !== undefined) changes[name] = value;
  }
  if (backend.history === 'last-turn' && session.conversation !== undefined && body.messages) {
    // The runtime keeps this session's history itself; what came before would be told twice.
    const last = body.messages.findLastIndex((message) => message.role === 'user');
    if (last > 0) changes.messages = body.messages.slice(last);
  }
  return Object.keys(changes).length > 0 ? { ...body, ...changes } : undefined;
}

/** The text of the newest user message, '' when there is none. Parts that are not text are left out. */
export function newestUserText(body: ChatBody): string {
  const content = body.messages?.findLast((message) => message.role === 'user')?.content;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => textOfPart(part)).join('');
}

function textOfPart(part: unknown): string {
  if (typeof part !== 'object' || part === null || !('text' in part)) return '';
  return typeof part.text === 'string' ? part.text : '';
}

/** The template with its variables in place, or `undefined` when one of them has no value here. */
function fill(template: string, variables: SessionVariables): string | undefined {
  let complete = true;
  const text = template.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = variables[name as keyof SessionVariables];
    complete &&= value !== undefined;
    return value ?? '';
  });
  return complete ? text : undefined;
}
