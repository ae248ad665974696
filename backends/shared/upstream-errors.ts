/**
 * Reads the error from an answer of an LLM API. Knows the shapes in which such APIs send errors: OpenAI's object, a
 * text in its place, FastAPI's `detail`, Gemini's list, a single `message`, plain text. tests/corpus has an example of
 * each.
 */
import { isRecord, readJson } from './json';

/** An error in OpenAI's members, as far as the API sent them. */
export interface UpstreamError {
  readonly message: string;
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
}

/** Longest error message that is kept. */
const MESSAGE_CHARACTERS_MAX = 2_000;
/** Longest body of plain text that is used as a message. */
const TEXT_CHARACTERS_MAX = 500;
/** Number of messages that are used from a list of errors. */
const FAULTS_MAX = 5;
/** How deep a message may be nested in other values. */
const WRAPS_MAX = 8;

/** Whether a body is a web page: from a proxy in between, or from a server that is no API. */
export function isPage(text: string): boolean {
  return /^\s*<[!?a-z]/i.test(text.slice(0, 200));
}

/** UTF-16 units that are read for words. An event of a stream may have megabytes. */
const REFUSAL_LENGTH_MAX = 65_536;

/** The error in a body that came with a status of 400 or more; `undefined` where it has no words for people. */
export function readRefusal(whole: string): UpstreamError | undefined {
  const text = whole.slice(0, REFUSAL_LENGTH_MAX);
  if (isPage(text)) return undefined;
  // A server may send the error as an event, because a stream was requested.
  const data = /^(?:event:[^\r\n]*[\r\n]+)?data: ?([^\r\n]*)/.exec(text.trimStart())?.[1] ?? text;
  const body = readJson(data);
  if (body === undefined) return plain(data);
  return typeof body === 'string' ? plain(body) : (errorIn(body) ?? bareErrorIn(body));
}

/** Returns the error in a body, or an event, of an answer with status 200; `undefined` if there is none. */
export function errorIn(body: unknown): UpstreamError | undefined {
  if (Array.isArray(body)) return errorIn(body.find(isRecord));
  if (!isRecord(body)) return undefined;
  const { error, object, type, choices, base_resp: base } = body;
  if (typeof error === 'string' && error !== '') return { ...fromObject(body), message: words(error) ?? error };
  if (isRecord(error) && Object.keys(error).length > 0) return fromObject(error);
  if (error === true || String(object).toLowerCase() === 'error' || type === 'error') return fromObject(body);
  if (isRecord(base) && typeof base.status_code === 'number' && base.status_code !== 0) {
    return fromObject({ message: base.status_msg, code: base.status_code });
  }
  const [choice] = Array.isArray(choices) ? choices : [];
  return isRecord(choice) && isRecord(choice.error) ? fromObject(choice.error) : undefined;
}

/**
 * Returns the error in a body that is not marked as an error: it has a message, and no member of an answer. Not for
 * events of agents, which may look the same.
 */
export function bareErrorIn(body: unknown): UpstreamError | undefined {
  const isAnswer = !isRecord(body) || body.choices || body.usage || typeof body.object === 'string';
  return isAnswer || words(body) === undefined ? undefined : fromObject(body);
}

/** Reads the members of an error object by all their known names. */
function fromObject(error: Readonly<Record<string, unknown>>): UpstreamError {
  const said = words(error) ?? 'The model reported an error.';
  // Some gateways put the message of their own upstream into a separate member.
  const raw = isRecord(error.metadata) ? words(error.metadata.raw) : undefined;
  const message = raw === undefined || said.includes(raw) ? said : `${said}: ${raw}`;
  const type = label(error.type) ?? label(error.status) ?? label(error.error_type);
  const code = label(error.code) ?? label(error.error_code);
  const param = label(error.param);
  return {
    message: message.slice(0, MESSAGE_CHARACTERS_MAX),
    ...(type !== undefined && type !== 'error' && { type }),
    ...(code !== undefined && { code }),
    ...(param !== undefined && { param }),
  };
}

const WORDS = ['message', 'Message', 'msg', 'detail', 'details', 'error', 'errors', 'error_message', 'error_msg'];

/** Finds a readable message in a value, however it is nested. */
function words(value: unknown, wraps = 0): string | undefined {
  if (wraps > WRAPS_MAX) return undefined;
  if (typeof value === 'string') {
    const wrapped = /^\s*[[{]/.test(value) ? words(readJson(value), wraps + 1) : undefined;
    return wrapped ?? (value.trim() === '' ? undefined : value.trim());
  }
  if (Array.isArray(value)) {
    const faults = value.slice(0, FAULTS_MAX).flatMap((one) => words(one, wraps + 1) ?? []);
    return faults.length === 0 ? undefined : faults.join('; ');
  }
  if (!isRecord(value)) return undefined;
  for (const name of WORDS) {
    const said = words(value[name], wraps + 1);
    if (said !== undefined) return placed(value, said);
  }
  return undefined;
}

/** FastAPI names the invalid member beside the message. */
function placed({ loc }: Readonly<Record<string, unknown>>, said: string): string {
  return Array.isArray(loc) && loc.length > 0 ? `${loc.map(String).join('.')}: ${said}` : said;
}

function label(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;
}

function plain(text: string): UpstreamError | undefined {
  const message = text
    .slice(0, 4 * TEXT_CHARACTERS_MAX)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, TEXT_CHARACTERS_MAX);
  return message === '' ? undefined : { message };
}
