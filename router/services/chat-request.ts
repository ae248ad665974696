/**
 * What a backend wants to be sent: its quirks from `backends.json`, applied as data (law 13). No backend is named here.
 */
import { type Backend, fillIn } from '../backends';
import { AppError } from '../errors';
import { newId } from '../ids';

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
  /** The conversation, or where there is none an id of this request's own: for a runtime that always keeps a session. */
  readonly session: string;
}

/** The variables of one request. */
export function sessionVariables(user: string, agent: string, conversation?: string): SessionVariables {
  const session = conversation ?? newId();
  return { user, agent, session, ...(conversation !== undefined && { conversation }) };
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
  const omitted = backend.omitBody.filter((name) => Object.hasOwn(body, name));
  const changes: Record<string, unknown> = {};
  const sentModel = model ?? backend.model;
  if (sentModel !== undefined && sentModel !== body.model) changes.model = sentModel;
  for (const [name, template] of Object.entries(backend.sessionBody)) {
    const value = fill(template, session);
    if (value !== undefined) changes[name] = value;
  }
  const messages = messagesOf(body);
  const sent = messages && shapeMessages(backend, messages, session.conversation !== undefined);
  if (sent !== messages) changes.messages = sent;
  if (omitted.length === 0 && Object.keys(changes).length === 0) return undefined;
  return { ...Object.fromEntries(Object.entries(body).filter(([name]) => !omitted.includes(name))), ...changes };
}

/** The messages as this backend takes them; the same array when there is nothing to change. */
function shapeMessages(backend: Backend, messages: readonly unknown[], isInConversation: boolean): readonly unknown[] {
  if (backend.history === 'full') return messages;
  // The runtime keeps a conversation's history itself; what came before would be told twice.
  const first = isInConversation ? Math.max(messages.findLastIndex(isFromUser), 0) : 0;
  const turn = first > 0 ? messages.slice(first) : messages;
  return backend.history === 'one-message' ? asOneMessage(turn) : turn;
}

/** Several messages told as one of the user's, each under its role; what is not text is kept beside it. */
function asOneMessage(messages: readonly unknown[]): readonly unknown[] {
  if (messages.length < 2 || !messages.every(isMessage)) return messages;
  const text = messages.map((message) => `${message.role}:\n${textOf(message.content)}`).join('\n\n');
  const others = messages.flatMap(({ content }) => (Array.isArray(content) ? content.filter(isNotText) : []));
  return [{ role: 'user', content: others.length > 0 ? [{ type: 'text', text }, ...others] : text }];
}

/** The messages of a chat request, `undefined` where the body is not one. */
export function messagesOf(body: JsonBody): readonly unknown[] | undefined {
  return Array.isArray(body.messages) ? body.messages : undefined;
}

/** The text of the newest user message, '' when there is none. Parts that are not text are left out. */
export function newestUserText(messages: readonly unknown[]): string {
  return textOf(messages.findLast(isFromUser)?.content);
}

function isMessage(message: unknown): message is ChatMessage {
  return typeof message === 'object' && message !== null && 'role' in message && typeof message.role === 'string';
}

function isFromUser(message: unknown): message is ChatMessage {
  return isMessage(message) && message.role === 'user';
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map(textOfPart).join('') : '';
}

function isNotText(part: unknown): boolean {
  return typeof part === 'object' && part !== null && 'type' in part && part.type !== 'text';
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
