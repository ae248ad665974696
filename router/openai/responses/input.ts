/** Turns the input items of a request into messages of a chat. */
import { type JsonBody, OF_TOOL } from '../../backends/shape';
import { AppError } from '../../lib/errors';
import { stringOf } from '../../lib/json';
import { invalid, record, unsupported } from './faults';
import { thoughtIn } from './thoughts';
import { chatName } from './tools';

const ROLES = new Set(['user', 'assistant', 'system', 'developer']);
const TEXT_PARTS = new Set(['input_text', 'output_text', 'text']);
/** Items that only OpenAI's API can read. */
const LEFT_OUT = new Set(['compaction', 'context_compaction', 'ghost_snapshot', 'mcp_list_tools']);
/** Calls of tools that are no functions, and their outputs. */
const OTHER_CALL = /(_call|_approval_request)$/;
const OTHER_OUTPUT = /(_output|_approval_response)$/;
const CONTENT_PART = /^(input_|output_)?(text|image|file)$/;
const IN_NEXT_MESSAGE = 'The output is in the next message of the user.';
/** Members of such items without meaning for a model; `result` is a picture. */
const UNTOLD = new Set(['id', 'type', 'call_id', 'status', 'encrypted_content', 'result', 'created_by']);

/** A message and the outputs of its calls. Chat requires the outputs directly after the message, in any order. */
interface Entry {
  readonly message: Record<string, unknown>;
  readonly calls: JsonBody[];
  readonly outputs: JsonBody[];
}

interface Input {
  readonly entries: Entry[];
  /** Call id → the message that made the call. */
  readonly callers: Map<unknown, Entry>;
  /** Ids of stored calls. */
  readonly open: ReadonlySet<string>;
  /** Call id → output from the input. */
  readonly outputs: Map<string, unknown>;
  /** The member of an answer for what was thought for it; `undefined` if the model is told no thoughts. */
  readonly thoughtMember: string | undefined;
  /** What was thought for the answer that comes next. */
  thought: string;
}

/**
 * @param open Ids of stored calls that wait for an output.
 * @param thoughtMember The member of a message for thoughts.
 * @throws `invalid_request` that names the member.
 */
export function inputOf(
  input: unknown,
  open: ReadonlySet<string>,
  thoughtMember: string | undefined,
): { messages: JsonBody[]; outputs: ReadonlyMap<string, unknown> } {
  const said: Input = { entries: [], callers: new Map(), open, outputs: new Map(), thoughtMember, thought: '' };
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  if (!Array.isArray(items)) throw invalid('input', 'must be text or a list of items.');
  for (const [index, item] of items.entries()) addItem(said, record(item), `input[${index}]`);
  return { messages: said.entries.flatMap(({ message, outputs }) => [message, ...outputs]), outputs: said.outputs };
}

function add({ entries }: Input, message: Record<string, unknown>): Entry {
  const entry: Entry = { message, calls: [], outputs: [] };
  entries.push(entry);
  return entry;
}

/** Returns the current assistant message, or a new one: a call after an output is the next step. */
function answerOf(said: Input): Entry {
  const last = said.entries.at(-1);
  const isOpen = last?.message.role === 'assistant' && last.outputs.length === 0;
  const answer = isOpen ? last : add(said, { role: 'assistant', content: null });
  tellThought(said, answer.message);
  return answer;
}

/** A thought before anything but an answer is left out. */
function tellThought(said: Input, message: Record<string, unknown>): void {
  const { thought, thoughtMember: member } = said;
  said.thought = '';
  if (member === undefined || thought === '' || message.role !== 'assistant') return;
  message[member] = paragraphs(stringOf(message[member]), thought);
}

/** Not by `join`, which would copy the growing text for each of many items. */
function paragraphs(before: string, more: string): string {
  return before !== '' && more !== '' ? `${before}\n\n${more}` : before + more;
}

function addItem(said: Input, item: JsonBody | undefined, at: string): void {
  if (!item) throw invalid(at, 'must be an object.');
  const type = item.type == null ? 'message' : stringOf(item.type);
  if (type === 'message') tellThought(said, add(said, messageOf(item, at)).message);
  else if (type === 'reasoning') said.thought = paragraphs(said.thought, thoughtIn(item));
  else if (type === 'function_call') addCall(said, item, at);
  else if (type === 'function_call_output') addOutput(said, item, at);
  else if (OTHER_CALL.test(type)) say(said, textOfItem(item));
  else if (OTHER_OUTPUT.test(type)) addOtherOutput(said, item, at);
  else if (!LEFT_OUT.has(type)) throw unsupported(`${at}.type`, item.type);
}

/** Calls that are written as text belong to the answer. */
function say(said: Input, text: string): void {
  const { message } = answerOf(said);
  message.content = message.content ? `${message.content}\n${text}` : text;
}

/** Parts of outputs that chat does not allow in a tool message. */
function hear(said: Input, content: string | readonly JsonBody[]): void {
  add(said, { role: 'user', content, [OF_TOOL]: true } as Record<string, unknown>);
}

/** The output of a call that is no function call. */
function addOtherOutput(said: Input, item: JsonBody, at: string): void {
  const { output, ...rest } = item;
  const screenshot = record(output)?.image_url;
  const given = typeof screenshot === 'string' ? [{ type: 'input_image', image_url: screenshot }] : output;
  const isContent = Array.isArray(given) && given.every((part) => CONTENT_PART.test(stringOf(record(part)?.type)));
  const parts = isContent ? contentOf(given, `${at}.output`) : [];
  if (!isContent) hear(said, textOfItem(item));
  else hear(said, [textPart(textOfItem(rest)), ...(typeof parts === 'string' ? [textPart(parts)] : parts)]);
}

/** An item as text: its type and its members. */
function textOfItem(item: JsonBody): string {
  const told = Object.entries(item).filter(([name, value]) => !UNTOLD.has(name) && value != null);
  const texts = told.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `[${stringOf(item.type)}] ${texts.join('\n')}`.trimEnd();
}

function textPart(text: string): JsonBody {
  return { type: 'text', text };
}

function messageOf({ role, content }: JsonBody, at: string): Record<string, unknown> {
  if (typeof role !== 'string' || !ROLES.has(role))
    throw invalid(`${at}.role`, `must be one of ${[...ROLES].join(', ')}.`);
  const said = contentOf(content, `${at}.content`);
  // The role name that every runtime knows.
  if (role === 'developer') return { role: 'system', content: said };
  return { role, content: role === 'assistant' && typeof said !== 'string' ? textOfParts(said) : said };
}

/** A text as text; several parts, or parts that are no text, as chat's parts. */
function contentOf(content: unknown, at: string): string | readonly JsonBody[] {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw invalid(at, 'must be text or a list of parts.');
  const parts = content.map((part, index) => partOf(record(part), `${at}[${index}]`));
  const [first] = parts;
  return parts.length === 1 && typeof first?.text === 'string' ? first.text : parts;
}

function partOf(part: JsonBody | undefined, at: string): JsonBody {
  if (!part) throw invalid(at, 'must be an object.');
  const { type } = part;
  if (TEXT_PARTS.has(stringOf(type))) {
    if (typeof part.text !== 'string') throw invalid(`${at}.text`, 'must be text.');
    return { type: 'text', text: part.text };
  }
  if (type === 'refusal') return { type: 'text', text: stringOf(part.refusal) };
  if (type === 'input_image') {
    if (typeof part.image_url !== 'string') throw unread(part, 'image_url', at);
    return {
      type: 'image_url',
      image_url: { url: part.image_url, ...(part.detail != null && { detail: part.detail }) },
    };
  }
  if (type === 'input_file') {
    if (typeof part.file_data !== 'string') throw unread(part, 'file_data', at);
    return {
      type: 'file',
      file: { file_data: part.file_data, ...(part.filename != null && { filename: part.filename }) },
    };
  }
  if (type === 'input_audio') return { type, input_audio: part.input_audio };
  throw unsupported(`${at}.type`, type);
}

/** The error for a picture or a file that is named by a member which chat does not have, or by none. */
function unread(part: JsonBody, member: string, at: string): AppError {
  const elsewhere = ['file_url', 'file_id'].find((name) => part[name] != null);
  if (elsewhere !== undefined) return unsupported(`${at}.${elsewhere}`);
  return invalid(`${at}.${member}`, 'must be text: a data URI, or the address of a picture.');
}

function textOfParts(parts: readonly JsonBody[]): string {
  return parts.map(({ text }) => stringOf(text)).join('');
}

/** In chat, the calls of one turn are in one message, together with the text before them. */
function addCall(said: Input, { call_id, name, namespace, arguments: args }: JsonBody, at: string): void {
  if (typeof call_id !== 'string' || typeof name !== 'string') throw invalid(at, 'must have a call_id and a name.');
  // The client sent this call although it is stored, as is what was thought for it.
  if (said.open.has(call_id)) {
    said.thought = '';
    return;
  }
  const called = { name: chatName(name, namespace), arguments: argumentsOf(args) };
  const caller = answerOf(said);
  caller.calls.push({ id: call_id, type: 'function', function: called });
  caller.message.tool_calls = caller.calls;
  said.callers.set(call_id, caller);
}

/** In chat an output is text; pictures follow it. */
function addOutput(said: Input, { call_id, output }: JsonBody, at: string): void {
  const content = contentOf(output ?? '', `${at}.output`);
  const others = typeof content === 'string' ? [] : content.filter(({ type }) => type !== 'text');
  const isMixed = typeof content !== 'string' && others.length > 0;
  const told = isMixed ? textOfParts(content) || IN_NEXT_MESSAGE : content;
  const caller = said.callers.get(call_id);
  if (typeof call_id === 'string' && said.open.has(call_id)) said.outputs.set(call_id, told);
  else if (caller) caller.outputs.push({ role: 'tool', tool_call_id: call_id, content: told });
  else throw noSuchCall(call_id, `${at}.call_id`);
  if (isMixed) hear(said, [textPart(`Of the output of the call ${call_id}:`), ...others]);
}

/** Some clients send an object where OpenAI has JSON text. */
function argumentsOf(args: unknown): string {
  return typeof args === 'string' ? args : JSON.stringify(args ?? {});
}

function noSuchCall(id: unknown, param: string): AppError {
  const named = String(JSON.stringify(id)).slice(0, 100);
  const what = `${param}: no call ${named} waits for its output, neither in the input nor in the newest turn of what is stored.`;
  const how = 'Go on from the response that called ("previous_response_id"), or send its function_call item along.';
  return new AppError('invalid_request', { message: `${what} ${how}`, param });
}
