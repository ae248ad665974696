/**
 * Recorded exchanges of servers that call themselves OpenAI-compatible, as data: one file per kind of server, a public
 * source per exchange.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The content type, where it is not the usual one. */
  readonly type?: string;
  /** The data of the events of a stream, which closes with `[DONE]` unless `done` is false. */
  readonly events?: readonly unknown[];
  readonly done?: boolean;
  /** Or a body of JSON, or one that is written out. */
  readonly json?: unknown;
  readonly text?: string;
  /** What is answered to a request with `stream_options`. */
  readonly refuses_options?: Reply;
}

/** What OpenAI's own client is to read in the end. */
export interface Expected {
  readonly text?: string;
  readonly reasoning?: string;
  /** Name and arguments. */
  readonly calls?: readonly (readonly [string, string])[];
  readonly finish?: string;
  /** Tokens of the prompt and of the answer. */
  readonly usage?: readonly [number, number];
  /** Further members of the message and of its choice. */
  readonly message?: Record<string, unknown>;
  readonly choice?: Record<string, unknown>;
  readonly error?: { readonly status: number; readonly message: string };
}

export interface CorpusExchange {
  readonly server: string;
  readonly name: string;
  readonly source: string;
  /** Members of the request beside its message. */
  readonly ask?: Record<string, unknown>;
  readonly reply: Reply;
  readonly expect: Expected;
}

export async function readCorpus(): Promise<readonly CorpusExchange[]> {
  const files = (await readdir(import.meta.dir)).filter((name) => name.endsWith('.json')).sort();
  const lists = files.map(async (file) => {
    const exchanges: Omit<CorpusExchange, 'server'>[] = JSON.parse(await readFile(join(import.meta.dir, file), 'utf8'));
    return exchanges.map((exchange) => ({ server: file.replace('.json', ''), ...exchange }));
  });
  return (await Promise.all(lists)).flat();
}

export function bodyOf({ events, done = true, json, text }: Reply): string {
  if (text !== undefined) return text;
  if (json !== undefined) return JSON.stringify(json);
  const data = [...(events ?? []).map((event) => JSON.stringify(event)), ...(done ? ['[DONE]'] : [])];
  return data.map((one) => `data: ${one}\n\n`).join('');
}

export function responseOf(reply: Reply, asksOptions: boolean): Response {
  if (reply.refuses_options && asksOptions) return responseOf(reply.refuses_options, false);
  const type = reply.type ?? (reply.json === undefined ? 'text/event-stream' : 'application/json');
  return new Response(bodyOf(reply), {
    status: reply.status ?? 200,
    headers: { 'content-type': type, ...reply.headers },
  });
}
