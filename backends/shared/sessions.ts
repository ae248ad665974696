/**
 * Stores conversations in the agent's home: one JSON Lines file of messages per session, appended to after every turn.
 * Pictures are in files of their own, because a session is read back from its end up to a length.
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord, readJson } from './json';
import { AgentError, type Members, type Message } from './openai';

/**
 * An agent is given the newest messages of a session up to this many characters of JSON. The file keeps all messages.
 */
const HISTORY_CHARACTERS_MAX = 200_000;
/**
 * Bytes to read from the end of the file for that: one character takes up to 6 bytes in UTF-8 and JSON, mostly 1 to 3.
 */
const TAIL_BYTES = 5 * HISTORY_CHARACTERS_MAX;

/** Characters of data URIs that an agent is given again at most: those of the newest pictures. */
const PICTURES_LENGTH_MAX = 14_000_000;
/** Shorter ones stay in their line. */
const OWN_FILE_LENGTH_MIN = 1_000;
const IN_FILE = 'session-picture:';
const GONE: Members = { type: 'text', text: '[A picture was here.]' };

/** Allows plain names only, so that a name is never a path. The router sends lower-case ids. */
const SESSION_NAME = /^[a-z0-9][a-z0-9_-]{0,127}$/;

export interface Sessions {
  /**
   * Returns the newest messages, oldest first, beginning with a user's message. Empty for a new session.
   * @param newest the message that follows them: its pictures and theirs are limited together.
   */
  read(name: string, newest: Message): Promise<Message[]>;
  append(name: string, messages: readonly Message[]): Promise<void>;
}

/** Throws an `AgentError` with status 400 for a name that is not plain. */
export function checkSessionName(name: string): string {
  if (SESSION_NAME.test(name)) return name;
  throw new AgentError(400, 'X-Agent-Session must be lower-case letters, digits, "-" and "_", 128 at most.');
}

export function openSessions(home: string): Sessions {
  const folder = join(home, 'sessions');
  const pictures = join(folder, 'pictures');
  const pathOf = (name: string) => join(folder, `${checkSessionName(name)}.jsonl`);
  return {
    async read(name, next) {
      const file = Bun.file(pathOf(name));
      if (!(await file.exists())) return [];
      const lines = (await file.slice(Math.max(0, file.size - TAIL_BYTES)).text()).split('\n');
      return withPictures(newest(lines), pictures, PICTURES_LENGTH_MAX - JSON.stringify(next).length);
    },
    async append(name, messages) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const stored = await Promise.all(messages.map((message) => withoutPictures(message, pictures)));
      const lines = stored.map((message) => `${JSON.stringify(message)}\n`).join('');
      await appendFile(pathOf(name), lines, { mode: 0o600 });
    },
  };
}

/** Moves the pictures of a message into files, which are named by their content. */
async function withoutPictures(message: Message, folder: string): Promise<Message> {
  const { content } = message;
  if (!Array.isArray(content)) return message;
  const parts = content.map(async (part: Members) => {
    const url = urlIn(part);
    if (!url?.startsWith('data:') || url.length < OWN_FILE_LENGTH_MIN) return part;
    const name = new Bun.CryptoHasher('sha256').update(url).digest('hex');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, name), url, { mode: 0o600 });
    return withUrl(part, IN_FILE + name);
  });
  return { ...message, content: await Promise.all(parts) };
}

/** Puts the newest pictures back; words stand in for the others. */
async function withPictures(messages: readonly Message[], folder: string, lengthMax: number): Promise<Message[]> {
  const restored: Message[] = [];
  let left = lengthMax;
  for (const message of messages.toReversed()) {
    const { content } = message;
    const parts: Members[] = [];
    for (const part of Array.isArray(content) ? (content as readonly Members[]) : []) {
      const name = urlIn(part)?.startsWith(IN_FILE) ? urlIn(part)?.slice(IN_FILE.length) : undefined;
      const file = name !== undefined && /^[0-9a-f]{64}$/.test(name) ? Bun.file(join(folder, name)) : undefined;
      const isTold = file !== undefined && (await file.exists()) && file.size <= left;
      if (isTold) left -= file.size;
      parts.push(isTold ? withUrl(part, await file.text()) : name === undefined ? part : GONE);
    }
    restored.unshift(Array.isArray(content) ? { ...message, content: parts } : message);
  }
  return restored;
}

function urlIn({ image_url: image }: Members): string | undefined {
  return isRecord(image) && typeof image.url === 'string' ? image.url : undefined;
}

function withUrl(part: Members, url: string): Members {
  return { ...part, image_url: { ...(isRecord(part.image_url) && part.image_url), url } };
}

/** Goes back from the end until the limit is reached. Skips incomplete and damaged lines. */
function newest(lines: readonly string[]): Message[] {
  const messages: Message[] = [];
  let characters = 0;
  for (const line of lines.toReversed()) {
    const message = parseLine(line);
    if (!message) continue;
    characters += line.length;
    if (characters > HISTORY_CHARACTERS_MAX) break;
    messages.unshift(message);
  }
  const start = messages.findIndex((message) => message.role === 'user');
  return start === -1 ? [] : messages.slice(start);
}

function parseLine(line: string): Message | undefined {
  // An incomplete line is no valid JSON.
  const value = readJson(line);
  return isRecord(value) && (value.role === 'user' || value.role === 'assistant') ? (value as Message) : undefined;
}
