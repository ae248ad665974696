/**
 * Shapes request bodies for a backend: applies the quirks from `backends.json` as data (law 13). No backend is named
 * here.
 */

import type { ToolResult } from '../database/schema/chat';
import { isJsonObject, type JsonObject, stringOf } from '../lib/json';
import type { Backend } from './backends';
import { fill, type RequestVariables } from './runtime-session';

/** The form of ids from `newId`. */
const CONVERSATION_ID = /^[0-9a-f]{24}$/;

/**
 * Marks a user message that contains the output of a tool: a chat has no other place for pictures in tool outputs, nor
 * for outputs of tools that are not functions. A symbol, because JSON does not serialise it.
 */
export const OF_TOOL = Symbol('of a tool');

export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [member: string]: unknown;
}

/** A JSON object as a client sent it: none of its members is validated. */
export type JsonBody = JsonObject;

/** A file that a client sends as a part of a message. */
export interface SentFile {
  /** A data URI, or the address of a picture elsewhere. */
  readonly uri: string;
  readonly name?: string;
}

/** The facts that decide how a body is shaped. */
interface Shape {
  readonly variables: RequestVariables;
  /** The value of the variable that the backend's `forward_model_env` names. */
  readonly model: string | undefined;
  /** Whether the runtime session already contains the messages before the newest turn. */
  readonly isKnown: boolean;
}

/** The body as this backend accepts it, or `undefined` when the client's bytes can be sent unchanged. */
export function shapeChatBody(backend: Backend, body: JsonBody, shape: Shape): JsonBody | undefined {
  const { variables, model } = shape;
  const omitted = namesIn(body, backend.omitBody);
  const changes: Record<string, unknown> = {};
  const sentModel = model ?? ownModel(backend, body.model);
  if (sentModel !== undefined && sentModel !== body.model) changes.model = sentModel;
  for (const name in backend.sessionBody) {
    const value = fill(backend.sessionBody[name] ?? '', variables);
    if (value !== undefined) changes[name] = value;
  }
  const messages = messagesOf(body);
  const sent = messages && shapeMessages(backend, messages, shape);
  if (sent !== messages) changes.messages = sent;
  if (omitted.length === 0 && Object.keys(changes).length === 0) return undefined;
  return { ...without(body, omitted), ...changes };
}

function namesIn(body: JsonBody, names: readonly string[]): readonly string[] {
  return names.filter((name) => Object.hasOwn(body, name));
}

function without(body: JsonBody, omitted: readonly string[]): JsonBody {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !omitted.includes(name)));
}

/** The model that a backend is sent unless a variable says which. */
function ownModel({ model, extraModels }: Backend, asked: unknown): string | undefined {
  const knowsAsked = model !== undefined && extraModels.includes(model);
  return knowsAsked && typeof asked === 'string' && extraModels.includes(asked) ? asked : model;
}

/** The messages as this backend accepts them; the same array when nothing changes. */
function shapeMessages(backend: Backend, messages: readonly unknown[], shape: Shape): readonly unknown[] {
  if (backend.history === 'full') return messages;
  const turn = shape.variables.conversation === undefined ? messages : turnOf(messages, shape.isKnown);
  const named = turn.some(isDeveloper) ? turn.map(asSystem) : turn;
  return backend.history === 'one-message' ? asOneMessage(named) : named;
}

/**
 * The messages for a runtime session: only the newest turn, because earlier messages would be repeated. A session that
 * lacks the earlier messages gets them inside the turn, because some runtimes accept nothing else in a request that
 * names a session. Instructions are not history: they come from the client and hold for this turn.
 */
function turnOf(messages: readonly unknown[], isKnown: boolean): readonly unknown[] {
  const start = turnStart(messages);
  const before = messages.slice(0, start);
  const instructions = before.filter(isInstruction);
  if (instructions.length === start) return messages;
  const talk = isKnown ? [] : before.filter((message) => !isInstruction(message));
  return [...instructions, ...asOneMessage([...talk, messages[start]]), ...messages.slice(start + 1)];
}

/** The index at which the newest turn begins: that of the last user message. */
export function turnStart(messages: readonly unknown[]): number {
  return Math.max(messages.findLastIndex(isFromUser), 0);
}

/** Joins several messages into one user message, each under its role; parts that are not text are kept. */
function asOneMessage(messages: readonly unknown[]): readonly unknown[] {
  if (messages.length < 2 || !messages.every(isMessage)) return messages;
  const text = messages.map((message) => `${message.role}:\n${textOf(message.content)}`).join('\n\n');
  const others = messages.flatMap(({ content }) => (Array.isArray(content) ? content.filter(isNotText) : []));
  return [{ role: 'user', content: others.length > 0 ? [{ type: 'text', text }, ...others] : text }];
}

/** The conversation that a body names in its `metadata`. Ids in another form belong to the client and are ignored. */
export function conversationIn({ metadata }: JsonBody): string | undefined {
  const id = isJsonObject(metadata) ? metadata.conversation_id : undefined;
  return typeof id === 'string' && CONVERSATION_ID.test(id) ? id : undefined;
}

/** A chat body without the members for the router itself: an upstream would store it a second time, or refuse it. */
export function withoutStorage(body: JsonBody): JsonBody {
  if (body.store !== true && conversationIn(body) === undefined) return body;
  const { store: _, metadata: __, ...rest } = body;
  return rest;
}

/** The messages of a chat request; `undefined` when the body has none. */
export function messagesOf(body: JsonBody): readonly unknown[] | undefined {
  return Array.isArray(body.messages) ? body.messages : undefined;
}

/** The items of a `/v1/responses` request that look like messages. */
export function inputOf({ input }: JsonBody): readonly unknown[] | undefined {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : Array.isArray(input) ? input : undefined;
}

/** The text of the newest user message, or '' when there is none. Leaves out parts that are not text. */
export function newestUserText(messages: readonly unknown[]): string {
  return textOf(messages.findLast(isFromUser)?.content);
}

/** The files in the newest user message, for chat and for `/v1/responses`: data URIs, and addresses of pictures. */
export function newestUserFiles(messages: readonly unknown[]): readonly SentFile[] {
  const content = messages.findLast(isFromUser)?.content;
  return Array.isArray(content) ? content.flatMap(fileOf) : [];
}

function fileOf(part: unknown): readonly SentFile[] {
  if (!isJsonObject(part)) return [];
  const { image_url: image, file = part } = part;
  const { file_data: data, filename: name } = isJsonObject(file) ? file : {};
  const uri = data ?? (isJsonObject(image) ? image.url : image);
  // A file elsewhere may be no picture, and is left to the runner.
  const schemes = data === undefined ? /^(?:data:|https?:\/\/)/i : /^data:/i;
  if (typeof uri !== 'string' || !schemes.test(uri)) return [];
  return [{ uri, ...(typeof name === 'string' && { name }) }];
}

/** Whether this request continues a turn: the last answer called the client's tools, and their results follow. */
export function goesOnWithTurn(messages: readonly unknown[]): boolean {
  return messages.slice(turnStart(messages)).some(isToolResult);
}

/** The results of the client's tools since the last answer. Only their text is kept, as for a message. */
export function newestResults(messages: readonly unknown[]): readonly ToolResult[] {
  return messages.slice(messages.findLastIndex(isFromAgent) + 1).flatMap(resultOf);
}

function resultOf(message: unknown): readonly ToolResult[] {
  if (!isToolResult(message)) return [];
  const { tool_call_id, call_id = tool_call_id, content, output = content } = message;
  return typeof call_id === 'string' ? [{ callId: call_id, output: textOf(output) }] : [];
}

function isMessage(message: unknown): message is ChatMessage {
  return isJsonObject(message) && typeof message.role === 'string';
}

function isFromUser(message: unknown): message is ChatMessage {
  return isMessage(message) && message.role === 'user' && !(OF_TOOL in message);
}

/** For messages of a chat and items of `/v1/responses`. */
function isFromAgent(message: unknown): boolean {
  return isMessage(message) ? message.role === 'assistant' : isItem(message) && message.type === 'function_call';
}

/** Whether a message is part of the talk: not instructions, and not about tools. */
export function isTalk(message: unknown): message is ChatMessage {
  return isFromUser(message) || (isMessage(message) && message.role === 'assistant');
}

/** For messages of a chat and items of `/v1/responses`. */
function isToolResult(message: unknown): message is JsonBody {
  if (isMessage(message)) return message.role === 'tool' || message.role === 'function' || OF_TOOL in message;
  return isItem(message) && message.type === 'function_call_output';
}

function isItem(value: unknown): value is { readonly type: unknown } {
  return isJsonObject(value) && 'type' in value;
}

function isInstruction(message: unknown): boolean {
  return isMessage(message) && (message.role === 'system' || message.role === 'developer');
}

function isDeveloper(message: unknown): message is ChatMessage {
  return isMessage(message) && message.role === 'developer';
}

/** Runtimes ignore unknown roles, and some do not know OpenAI's newer name for this role. */
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
  return isJsonObject(part) ? stringOf(part.text) : '';
}
