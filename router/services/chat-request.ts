/**
 * What a backend wants to be sent: its quirks from `backends.json`, applied as data (law 13). No backend is named here.
 */
import { type Backend, fillIn } from '../backends';
import { AppError } from '../errors';

export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [member: string]: unknown;
}

/** A JSON object as a client sent it: nothing in it can be relied upon. */
export type JsonBody = Readonly<Record<string, unknown>>;

/** What `${…}` stands for in a backend's `headers` and `session_body`. */
export interface SessionVariables {
  readonly user: string;
  readonly agent: string;
  /** Absent where a request belongs to no conversation; what would name it is then left out. */
  readonly conversation?: string;
}

/** The JSON object that a body is. Throws `invalid_request`. */
export function parseBody(bytes: Uint8Array): JsonBody {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new AppError('invalid_request', {
      message: `The body is not valid JSON: ${(cause as Error).message}`,
      cause,
    });
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JsonBody;
  throw new AppError('invalid_request', { message: 'The body must be a JSON object.' });
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
  body: JsonBody,
  session: SessionVariables,
  model: string | undefined,
): JsonBody | undefined {
  const changes: Record<string, unknown> = {};
  const sentModel = model ?? backend.model;
  if (sentModel !== undefined && sentModel !== body.model) changes.model = sentModel;
  for (const [name, template] of Object.entries(backend.sessionBody)) {
    const value = fill(template, session);
    if (value !== undefined) changes[name] = value;
  }
  if (backend.history === 'last-turn' && session.conversation !== undefined) {
    // The runtime keeps this session's history itself; what came before would be told twice.
    const messages = messagesOf(body) ?? [];
    const last = messages.findLastIndex(isFromUser);
    if (last > 0) changes.messages = messages.slice(last);
  }
  return Object.keys(changes).length > 0 ? { ...body, ...changes } : undefined;
}

/** The messages of a chat request, `undefined` where the body is not one. */
export function messagesOf(body: JsonBody): readonly unknown[] | undefined {
  return Array.isArray(body.messages) ? body.messages : undefined;
}

/** The text of the newest user message, '' when there is none. Parts that are not text are left out. */
export function newestUserText(messages: readonly unknown[]): string {
  const content = messages.findLast(isFromUser)?.content;
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map(textOfPart).join('') : '';
}

function isFromUser(message: unknown): message is ChatMessage {
  return typeof message === 'object' && message !== null && 'role' in message && message.role === 'user';
}

function textOfPart(part: unknown): string {
  if (typeof part !== 'object' || part === null || !('text' in part)) return '';
  return typeof part.text === 'string' ? part.text : '';
}

/** The template with its variables in place, or `undefined` when one of them has no value here. */
function fill(template: string, variables: SessionVariables): string | undefined {
  const text = fillIn(template, { ...variables });
  return /\$\{\w+\}/.test(text) ? undefined : text;
}
