/**
 * A request to `/v1/responses` as the chat request that says the same, for runtimes that serve chat only. What chat has
 * no way to say is refused by the name of its member; what only asks for more detail in the answer is left out.
 * OpenAI's reference: https://platform.openai.com/docs/api-reference/responses/create
 */

import type { JsonBody } from '../../backends/shape';
import type { Message } from '../../chat/store';
import { AppError } from '../../lib/errors';
import { historyOf, openCalls } from './history';

/** Members that mean the same in both. */
const SAME = ['model', 'stream', 'temperature', 'top_p', 'user', 'parallel_tool_calls', 'service_tier'] as const;
const SAME_TOO = ['prompt_cache_key', 'safety_identifier'] as const;
/** Members that chat has nothing for. Their empty values ask for nothing. */
const REFUSED = ['background', 'prompt', 'context_management', 'moderation', 'top_logprobs'] as const;
const ROLES = new Set(['user', 'assistant', 'system', 'developer']);
const TEXT_PARTS = new Set<unknown>(['input_text', 'output_text', 'text']);

/**
 * The chat request.
 * @param stored what was said before, where the request goes on from it.
 * @throws `invalid_request` that names the member.
 */
export function chatOf(body: JsonBody, stored: readonly Message[]): JsonBody {
  for (const name of REFUSED) {
    const value = body[name];
    if (value && !(Array.isArray(value) && value.length === 0)) throw unsupported(name);
  }
  const same = Object.fromEntries(
    [...SAME, ...SAME_TOO].flatMap((name) => (body[name] == null ? [] : [[name, body[name]]])),
  );
  const tools = toolsOf(body.tools);
  const { messages, outputs } = inputOf(body.input, openCalls(stored));
  return {
    ...same,
    messages: [...instructionsOf(body.instructions), ...historyOf(stored, outputs), ...messages],
    ...(body.max_output_tokens != null && { max_completion_tokens: body.max_output_tokens }),
    ...(tools.length > 0 && { tools }),
    ...(body.tool_choice != null && { tool_choice: toolChoiceOf(body.tool_choice) }),
    ...textOptions(record(body.text)),
    ...(record(body.reasoning)?.effort != null && { reasoning_effort: record(body.reasoning)?.effort }),
    // The answer of a stream tells its usage at the end, unasked.
    ...(body.stream === true && { stream_options: { include_usage: true } }),
  };
}

function instructionsOf(instructions: unknown): JsonBody[] {
  if (instructions == null || instructions === '') return [];
  if (typeof instructions !== 'string') throw invalid('instructions', 'must be text.');
  return [{ role: 'system', content: instructions }];
}

interface Input {
  readonly messages: JsonBody[];
  /** Ids of stored calls. */
  readonly open: ReadonlySet<string>;
  /** Ids of the calls in the input so far. */
  readonly called: Set<unknown>;
  /** What the input has for the open ones. */
  readonly outputs: Map<string, unknown>;
}

function inputOf(input: unknown, open: ReadonlySet<string>): Input {
  const said: Input = { messages: [], open, called: new Set(), outputs: new Map() };
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  if (!Array.isArray(items)) throw invalid('input', 'must be text or a list of items.');
  for (const [index, item] of items.entries()) addItem(said, record(item), `input[${index}]`);
  return said;
}

function addItem(said: Input, item: JsonBody | undefined, at: string): void {
  if (!item) throw invalid(at, 'must be an object.');
  const type = item.type ?? 'message';
  if (type === 'message') said.messages.push(messageOf(item, at));
  else if (type === 'function_call') addCall(said, item, at);
  else if (type === 'function_call_output') addOutput(said, item, at);
  // What a model thought is not said to it again in chat.
  else if (type !== 'reasoning') throw unsupported(`${at}.type`, type);
}

function messageOf({ role, content }: JsonBody, at: string): JsonBody {
  if (typeof role !== 'string' || !ROLES.has(role))
    throw invalid(`${at}.role`, `must be one of ${[...ROLES].join(', ')}.`);
  const said = contentOf(content, `${at}.content`);
  // The name that every runtime knows.
  if (role === 'developer') return { role: 'system', content: said };
  return { role, content: role === 'assistant' && typeof said !== 'string' ? textOfParts(said) : said };
}

/** Text as text; several parts, and what is not text, as chat's parts. */
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
  if (TEXT_PARTS.has(type) && typeof part.text === 'string') return { type: 'text', text: part.text };
  if (type === 'refusal') return { type: 'text', text: typeof part.refusal === 'string' ? part.refusal : '' };
  if (type === 'input_image') {
    if (typeof part.image_url !== 'string') throw unsupported(`${at}.file_id`);
    return {
      type: 'image_url',
      image_url: { url: part.image_url, ...(part.detail != null && { detail: part.detail }) },
    };
  }
  if (type === 'input_file') {
    if (typeof part.file_data !== 'string')
      throw unsupported(`${at}.${part.file_url == null ? 'file_id' : 'file_url'}`);
    return {
      type: 'file',
      file: { file_data: part.file_data, ...(part.filename != null && { filename: part.filename }) },
    };
  }
  if (type === 'input_audio') return { type, input_audio: part.input_audio };
  throw unsupported(`${at}.type`, type);
}

function textOfParts(parts: readonly JsonBody[]): string {
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

/** In chat the calls of one turn stand in one message, and with what was said before them. */
function addCall({ messages, open, called }: Input, { call_id, name, arguments: args }: JsonBody, at: string): void {
  if (typeof call_id !== 'string' || typeof name !== 'string') throw invalid(at, 'must have a call_id and a name.');
  // Sent along although it is stored.
  if (open.has(call_id)) return;
  const call = { id: call_id, type: 'function', function: { name, arguments: typeof args === 'string' ? args : '{}' } };
  called.add(call_id);
  const last = messages.at(-1);
  if (last?.role !== 'assistant') messages.push({ role: 'assistant', content: null, tool_calls: [call] });
  // Ours: what a client says of an assistant has no such list.
  else if (Array.isArray(last.tool_calls)) last.tool_calls.push(call);
  else messages[messages.length - 1] = { ...last, tool_calls: [call] };
}

function addOutput({ messages, open, called, outputs }: Input, { call_id, output }: JsonBody, at: string): void {
  const content = contentOf(output ?? '', `${at}.output`);
  if (typeof call_id === 'string' && open.has(call_id)) outputs.set(call_id, content);
  else if (called.has(call_id)) {
    messages.push({ role: 'tool', tool_call_id: call_id, content });
  } else throw noSuchCall(call_id, `${at}.call_id`);
}

function noSuchCall(id: unknown, param: string): AppError {
  const what = `${param}: no call ${named(id, 100)} waits for its output, neither in the input nor in the newest turn of what is stored.`;
  const how = 'Go on from the response that called ("previous_response_id"), or send its function_call item along.';
  return new AppError('invalid_request', { message: `${what} ${how}`, param });
}

function toolsOf(tools: unknown): JsonBody[] {
  if (tools == null) return [];
  if (!Array.isArray(tools)) throw invalid('tools', 'must be a list.');
  return tools.map((value, index) => {
    const { type, ...tool } = record(value) ?? {};
    if (type !== 'function') throw unsupported(`tools[${index}].type`, type);
    const { name, description, parameters, strict } = tool;
    const optional = { description, parameters, strict };
    const given = Object.entries(optional).filter(([, member]) => member != null);
    return { type, function: { name, ...Object.fromEntries(given) } };
  });
}

function toolChoiceOf(choice: unknown): unknown {
  if (typeof choice === 'string') return choice;
  const { type, name } = record(choice) ?? {};
  if (type !== 'function') throw unsupported('tool_choice.type', type);
  return { type, function: { name } };
}

function textOptions(text: JsonBody | undefined): JsonBody {
  const { type = 'text', ...schema } = record(text?.format) ?? {};
  const formats = new Map<unknown, JsonBody>([
    ['text', {}],
    ['json_object', { response_format: { type } }],
    ['json_schema', { response_format: { type, json_schema: schema } }],
  ]);
  const format = formats.get(type);
  if (!format) throw unsupported('text.format.type', type);
  return { ...format, ...(text?.verbosity != null && { verbosity: text.verbosity }) };
}

function record(value: unknown): JsonBody | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonBody) : undefined;
}

/** A value of a client's in our words about it. */
function named(value: unknown, lengthMax: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, lengthMax));
  return typeof value === 'object' && value !== null ? 'that is not text' : String(value);
}

function invalid(param: string, what: string): AppError {
  return new AppError('invalid_request', { message: `${param} ${what}`, param });
}

function unsupported(param: string, value?: unknown): AppError {
  const what = value === undefined ? param : `${param} ${named(value, 80)}`;
  const message = `This agent does not support ${what}: it is asked over its chat API. Leave it out.`;
  return new AppError('invalid_request', { message, param });
}
