/**
 * What a backend wants to be sent: its quirks from `backends.json`, applied as data (law 13). No backend is named here.
 */

import type { ToolResult } from '../database/schema';
import { newId } from '../lib/ids';
import type { JsonObject } from '../lib/json';
import { type Backend, fillIn } from './backends';

/** As `newId` makes them. */
const CONVERSATION_ID = /^[0-9a-f]{24}$/;

/**
 * Marks a message under the user's role that is what a tool gave: chat has no other place for pictures among its outputs,
 * nor for outputs of tools that are no functions. Not sent: JSON has no symbols.
 */
export const OF_TOOL = Symbol('of a tool');

export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [member: string]: unknown;
}

/** A JSON object as a client sent it: nothing in it can be relied upon. */
export type JsonBody = JsonObject;

/** What `${…}` stands for in a backend's `headers` and `session_body`. */
export interface SessionVariables {
  readonly user: string;
  readonly agent: string;
  /** The `sessionName`. Absent where a request belongs to no conversation; what would name it is then left out. */
  readonly conversation: string | undefined;
  /** The conversation, or where there is none an id of this request's own: for a runtime that always keeps a session. */
  readonly session: string;
  /** The request itself, to nobody but the router and the runner: an agent sends it back with the calls that serve it. */
  readonly work: string;
}

/** The variables of one request. */
export function sessionVariables(user: string, agent: string, conversation?: string): SessionVariables {
  const work = newId();
  return { user, agent, session: conversation ?? work, conversation, work };
}

/**
 * What a conversation is called towards its runtime: lower-case, and never used again once its messages were rewound,
 * as no position is.
 */
export function sessionName({ id, sessionFrom }: { id: string; sessionFrom: number }): string {
  return sessionFrom === 0 ? id : `${id}-${sessionFrom}`;
}

/** The backend's own headers for this session. */
export function sessionHeaders(backend: Backend, variables: SessionVariables): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(backend.headers)) {
    const value = fill(template, variables);
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** What a body is shaped for. */
export interface Shape {
  readonly session: SessionVariables;
  /** Value of the variable named by the backend's `forward_model_env`. */
  readonly model: string | undefined;
  /** Whether the runtime's session has been told what came before the newest turn. */
  readonly isKnown: boolean;
}

/** The body as this backend accepts it, or `undefined` when the client's own bytes can go as they are. */
export function shapeChatBody(backend: Backend, body: JsonBody, shape: Shape): JsonBody | undefined {
  const { session, model } = shape;
  const omitted = backend.omitBody.filter((name) => Object.hasOwn(body, name));
  const changes: Record<string, unknown> = {};
  const sentModel = model ?? backend.model;
  if (sentModel !== undefined && sentModel !== body.model) changes.model = sentModel;
  for (const [name, template] of Object.entries(backend.sessionBody)) {
    const value = fill(template, session);
    if (value !== undefined) changes[name] = value;
  }
  const messages = messagesOf(body);
  const sent = messages && shapeMessages(backend, messages, shape);
  if (sent !== messages) changes.messages = sent;
  if (omitted.length === 0 && Object.keys(changes).length === 0) return undefined;
  return { ...Object.fromEntries(Object.entries(body).filter(([name]) => !omitted.includes(name))), ...changes };
}

/** The messages as this backend takes them; the same array when there is nothing to change. */
function shapeMessages(backend: Backend, messages: readonly unknown[], shape: Shape): readonly unknown[] {
  if (backend.history === 'full') return messages;
  const turn = shape.session.conversation === undefined ? messages : turnOf(messages, shape.isKnown);
  const named = turn.some(isDeveloper) ? turn.map(asSystem) : turn;
  return backend.history === 'one-message' ? asOneMessage(named) : named;
}

/**
 * What is told in a session that the runtime keeps itself: the newest turn only, or what came before would be told twice.
 * A session that does not know it is told within the turn, as some runtimes take nothing else from a request that names
 * a session. Instructions are no history: they are the client's, and hold for this turn.
 */
function turnOf(messages: readonly unknown[], isKnown: boolean): readonly unknown[] {
  const start = turnStart(messages);
  const before = messages.slice(0, start);
  const instructions = before.filter(isInstruction);
  if (instructions.length === start) return messages;
  const talk = isKnown ? [] : before.filter((message) => !isInstruction(message));
  return [...instructions, ...asOneMessage([...talk, messages[start]]), ...messages.slice(start + 1)];
}

/** Where the newest turn begins: with what the user said last. */
export function turnStart(messages: readonly unknown[]): number {
  return Math.max(messages.findLastIndex(isFromUser), 0);
}

/** Several messages told as one of the user's, each under its role; what is not text is kept beside it. */
function asOneMessage(messages: readonly unknown[]): readonly unknown[] {
  if (messages.length < 2 || !messages.every(isMessage)) return messages;
  const text = messages.map((message) => `${message.role}:\n${textOf(message.content)}`).join('\n\n');
  const others = messages.flatMap(({ content }) => (Array.isArray(content) ? content.filter(isNotText) : []));
  return [{ role: 'user', content: others.length > 0 ? [{ type: 'text', text }, ...others] : text }];
}

/** The conversation that a body names in its `metadata`. Ids of other kinds are the client's own affair. */
export function conversationIn({ metadata }: JsonBody): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || !('conversation_id' in metadata)) return undefined;
  const id = metadata.conversation_id;
  return typeof id === 'string' && CONVERSATION_ID.test(id) ? id : undefined;
}

/** A chat body without what it says to the router: an upstream would store it a second time, or refuse it. */
export function withoutStorage(body: JsonBody): JsonBody {
  if (body.store !== true && conversationIn(body) === undefined) return body;
  const { store: _, metadata: __, ...rest } = body;
  return rest;
}

/** The messages of a chat request, `undefined` where the body is not one. */
export function messagesOf(body: JsonBody): readonly unknown[] | undefined {
  return Array.isArray(body.messages) ? body.messages : undefined;
}

/** What is said in a request to `/v1/responses`, as far as it looks like messages. */
export function inputOf({ input }: JsonBody): readonly unknown[] | undefined {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : Array.isArray(input) ? input : undefined;
}

/** The text of the newest user message, '' when there is none. Parts that are not text are left out. */
export function newestUserText(messages: readonly unknown[]): string {
  return textOf(messages.findLast(isFromUser)?.content);
}

/** Whether the newest turn was begun by an earlier request: its answer called the client's tools, and these have run. */
export function goesOnWithTurn(messages: readonly unknown[]): boolean {
  return messages.slice(turnStart(messages)).some(isToolResult);
}

/** What the client's tools found since the last answer. Of its parts only text is kept, as of a message. */
export function newestResults(messages: readonly unknown[]): readonly ToolResult[] {
  return messages.slice(messages.findLastIndex(isFromAgent) + 1).flatMap(resultOf);
}

function resultOf(message: unknown): readonly ToolResult[] {
  if (!isToolResult(message)) return [];
  const { tool_call_id, call_id = tool_call_id, content, output = content } = message;
  return typeof call_id === 'string' ? [{ callId: call_id, output: textOf(output) }] : [];
}

function isMessage(message: unknown): message is ChatMessage {
  return typeof message === 'object' && message !== null && 'role' in message && typeof message.role === 'string';
}

function isFromUser(message: unknown): message is ChatMessage {
  return isMessage(message) && message.role === 'user' && !(OF_TOOL in message);
}

/** In a chat, or among the items of `/v1/responses`. */
function isFromAgent(message: unknown): boolean {
  return isMessage(message) ? message.role === 'assistant' : isItem(message) && message.type === 'function_call';
}

/** What was said aloud: no instructions, and nothing of tools. */
export function isTalk(message: unknown): message is ChatMessage {
  return isFromUser(message) || (isMessage(message) && message.role === 'assistant');
}

/** In a chat, or among the items of `/v1/responses`. */
function isToolResult(message: unknown): message is JsonBody {
  if (isMessage(message)) return message.role === 'tool' || message.role === 'function' || OF_TOOL in message;
  return isItem(message) && message.type === 'function_call_output';
}

function isItem(value: unknown): value is { readonly type: unknown } {
  return typeof value === 'object' && value !== null && 'type' in value;
}

function isInstruction(message: unknown): boolean {
  return isMessage(message) && (message.role === 'system' || message.role === 'developer');
}

function isDeveloper(message: unknown): message is ChatMessage {
  return isMessage(message) && message.role === 'developer';
}

/** Runtimes pass over a role that they do not know, and not all of them know OpenAI's newer name for this one. */
function asSystem(message: unknown): unknown {
  return isDeveloper(message) ? { ...message, role: 'system' } : message;
}

export function trimmedText({ content }: Pick<ChatMessage, 'content'>): string {
  return textOf(content).trim();
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map(textOfPart).join('') : '';
}

function isNotText(part: unknown): boolean {
  return isItem(part) && part.type !== 'text';
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
