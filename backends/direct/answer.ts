/** Reads a model's answer piece by piece. Accepts the variants of servers that call themselves OpenAI-compatible. */
import { type CallPart, CallReader } from '../shared/calls';
import { finishOf } from '../shared/finishes';
import { isRecord, readJson } from '../shared/json';
import type { Members, Piece, ToolCallPart, Usage } from '../shared/openai';
import { bareErrorIn, errorIn, isPage, readRefusal, type UpstreamError } from '../shared/upstream-errors';
import type { Said } from './events';

/** Members that this file reads; all others are passed on unchanged. */
const CHUNK = new Set(['id', 'object', 'created', 'model', 'choices', 'usage', 'error', 'event', 'type']);
const CHOICE = new Set(['index', 'delta', 'message', 'finish_reason', 'usage', 'error']);
const DELTA = new Set(['role', 'content', 'tool_calls']);
/** Values of `finish_reason` for answers that the model did not finish. */
const BROKEN = new Set(['error', 'abort', 'aborted', 'insufficient_system_resource', 'network_error']);

export class AnswerReader {
  readonly #calls = new CallReader(() => `call_${crypto.randomUUID().replaceAll('-', '')}`);
  #hasCalls = false;
  #hasSaid = false;
  #isWhole = false;

  /** Whether the model has sent a `finish_reason`. An answer without one was cut off. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Reads one event, or a whole body. Throws `UpstreamFailure` for an error and for a value that is no answer. */
  read({ event, data, isWhole }: Said): Piece {
    if (data.trim() === '') return {};
    const body = readJson(data);
    const error = event === 'error' ? (readRefusal(data) ?? NO_WORDS) : (errorIn(body) ?? bareErrorIn(body));
    if (error) throw new UpstreamFailure(error);
    if (isWhole) return this.#completion(body, data);
    // Text where only JSON is expected is a comment of the server. Incomplete JSON is an answer that was cut off.
    if (body === undefined && /^\s*[[{]/.test(data)) throw new UpstreamFailure(NO_ANSWER);
    return isRecord(body) ? this.#chunk(body) : {};
  }

  #completion(body: unknown, text: string): Piece {
    const piece = isRecord(body) ? this.#chunk(body) : {};
    const [choice] = isRecord(body) && Array.isArray(body.choices) ? body.choices : [];
    if (!isRecord(choice) || !(isRecord(choice.message) || isRecord(choice.delta))) {
      throw new UpstreamFailure(isPage(text) ? PAGE : NO_ANSWER);
    }
    this.#isWhole = true;
    return { ...piece, finish: piece.finish ?? this.#finish('stop') };
  }

  #chunk(body: Record<string, unknown>): Piece {
    const { choices, usage } = body;
    const [first] = Array.isArray(choices) ? choices : [];
    const choice: Record<string, unknown> = isRecord(first) ? first : {};
    const { delta, message, finish_reason: reason } = choice;
    // Some servers repeat the whole text at the end.
    const said = isRecord(delta) ? delta : !this.#hasSaid && isRecord(message) ? message : {};
    const piece = this.#said(said);
    const finish = typeof reason === 'string' && reason !== '' ? this.#finish(reason) : undefined;
    const ofGroq = isRecord(body.x_groq) ? body.x_groq.usage : undefined;
    const used = [usage, choice.usage, ofGroq].find(isRecord);
    return {
      ...piece,
      ...(finish !== undefined && { finish }),
      ...(used && { usage: used as unknown as Usage }),
      ...some('choiceMore', choice, CHOICE),
      ...some('chunkMore', body, CHUNK),
    };
  }

  #said(delta: Record<string, unknown>): Piece {
    const { content, tool_calls: sent, ...more } = delta;
    const calls = this.#calls.read(sent).map(partOf);
    this.#hasCalls ||= calls.length > 0;
    const { text, thinking } = textsOf(content);
    const deltaMore = thinking === '' ? more : { ...more, reasoning_content: thinking };
    const piece = {
      ...(text !== '' && { text }),
      ...(calls.length > 0 && { toolCalls: calls }),
      ...some('deltaMore', deltaMore, DELTA),
    };
    this.#hasSaid ||= Object.keys(piece).length > 0;
    return piece;
  }

  #finish(reason: string): string {
    const finish = finishOf(reason);
    if (BROKEN.has(finish))
      throw new UpstreamFailure({ message: `The model ended its answer with "${reason.slice(0, 50)}".` });
    this.#isWhole = true;
    // Clients check for this value before they run a tool.
    return finish === 'stop' && this.#hasCalls ? 'tool_calls' : finish;
  }
}

/** An error that the answer itself contains. */
export class UpstreamFailure extends Error {
  constructor(readonly error: UpstreamError) {
    super(error.message);
  }
}

const NO_WORDS: UpstreamError = { message: 'The model reported an error.' };
const NO_ANSWER: UpstreamError = {
  message:
    'What answers at LLM_BASE_URL sent something that is not an answer of a chat. Is it an OpenAI-compatible API?',
  code: 'upstream_invalid',
};
const PAGE: UpstreamError = {
  message:
    "What answers at LLM_BASE_URL sent a web page, not a model's answer. Is the address complete, such as https://api.openai.com/v1?",
  code: 'upstream_invalid',
};

function partOf({ index, isNew, id, name, isFunction, functionMore, more, ...part }: CallPart): ToolCallPart {
  const called = { ...said(functionMore), ...((isNew || name !== '') && { name }), arguments: part.arguments };
  return {
    ...said(more),
    index,
    ...(isNew && { id, type: typeof more.type === 'string' ? more.type : 'function' }),
    ...(isFunction && { function: called }),
  };
}

/** The text of a content and, if the content is a list of parts, the reasoning in it. */
function textsOf(content: unknown): { readonly text: string; readonly thinking: string } {
  if (typeof content === 'string') return { text: content, thinking: '' };
  const parts = Array.isArray(content) ? content.filter(isRecord) : [];
  const join = (texts: readonly unknown[]) => texts.filter((text) => typeof text === 'string').join('');
  const thoughts = parts.flatMap(({ thinking, summary = thinking }) => {
    return Array.isArray(summary) ? summary.map(textIn) : [summary];
  });
  return { text: join(parts.map(textIn)), thinking: join(thoughts) };
}

function textIn(part: unknown): unknown {
  return isRecord(part) ? part.text : undefined;
}

/** Drops members without a value, and the members in `names`. */
function said(members: Members, names: ReadonlySet<string> = new Set()): Members {
  return Object.fromEntries(
    Object.entries(members).filter(([name, value]) => value != null && value !== '' && !names.has(name)),
  );
}

function some(kind: 'deltaMore' | 'choiceMore' | 'chunkMore', members: Members, known: ReadonlySet<string>): Piece {
  const more = said(members, known);
  return Object.keys(more).length === 0 ? {} : { [kind]: more };
}
