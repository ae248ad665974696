/**
 * Stores conversations in the agent's home: one JSON Lines file of messages per session, appended to after every turn.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord, readJson } from './json';
import { AgentError, type Message } from './openai';

/**
 * An agent is given the newest messages of a session up to this many characters of JSON. The file keeps all messages.
 */
const HISTORY_CHARACTERS_MAX = 200_000;
/**
 * Bytes to read from the end of the file for that: one character takes up to 6 bytes in UTF-8 and JSON, mostly 1 to 3.
 */
const TAIL_BYTES = 5 * HISTORY_CHARACTERS_MAX;

/** Allows plain names only, so that a name is never a path. The router sends lower-case ids. */
const SESSION_NAME = /^[a-z0-9][a-z0-9_-]{0,127}$/;

export interface Sessions {
  /** Returns the newest messages, oldest first, beginning with a user's message. Empty for a new session. */
  read(name: string): Promise<Message[]>;
  append(name: string, messages: readonly Message[]): Promise<void>;
}

/** Throws an `AgentError` with status 400 for a name that is not plain. */
export function checkSessionName(name: string): string {
  if (SESSION_NAME.test(name)) return name;
  throw new AgentError(400, 'X-Agent-Session must be lower-case letters, digits, "-" and "_", 128 at most.');
}

export function openSessions(home: string): Sessions {
  const folder = join(home, 'sessions');
  const pathOf = (name: string) => join(folder, `${checkSessionName(name)}.jsonl`);
  return {
    async read(name) {
      const file = Bun.file(pathOf(name));
      if (!(await file.exists())) return [];
      const lines = (await file.slice(Math.max(0, file.size - TAIL_BYTES)).text()).split('\n');
      return newest(lines);
    },
    async append(name, messages) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const lines = messages.map((message) => `${JSON.stringify(message)}\n`).join('');
      await appendFile(pathOf(name), lines, { mode: 0o600 });
    },
  };
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
