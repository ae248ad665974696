/** Starts an agent of `backends/` as the process driver does, and sends it requests as the router does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSourceParserStream } from 'eventsource-parser/stream';

export const ACCESS_KEY = 'runner-access-key';
const ROOT = join(import.meta.dir, '../..');

export interface AgentProcess extends AsyncDisposable {
  readonly url: string;
  readonly home: string;
  readonly process: Bun.Subprocess;
  /** Its standard output and error so far. */
  output(): string;
  /** Resolves as soon as the output contains `text`. */
  wrote(text: string): Promise<void>;
  /** `session` goes into `X-Agent-Session`. */
  ask(messages: string | readonly unknown[], options?: AskOptions): Promise<Response>;
}

export interface AskOptions {
  readonly session?: string;
  readonly stream?: boolean;
  readonly key?: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/**
 * `home` is created and removed unless one is given. Resolves when the agent is ready, or when it listens if it has a
 * start delay.
 */
export async function startAgent(name: string, env: Record<string, string>, home?: string): Promise<AgentProcess> {
  const folder = home ?? (await mkdtemp(join(tmpdir(), `agent-stack-${name}-`)));
  const child = Bun.spawn(['bun', join(ROOT, 'backends', name, 'main.ts')], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      HOST: '127.0.0.1',
      OPENAI_API_KEY: ACCESS_KEY,
      AGENT_HOME: folder,
      ...env,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const lines = watchOutput(child);
  await lines.wrote(env.DEMO_START_DELAY_MS === undefined ? 'agent.ready' : 'agent.listening');
  const port = /"port":(\d+)/.exec(lines.output())?.[1];
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    home: folder,
    process: child,
    ...lines,
    ask: (messages, options = {}) => ask(url, messages, options),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
      if (home === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

function ask(url: string, messages: string | readonly unknown[], options: AskOptions): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${options.key ?? ACCESS_KEY}`,
      'content-type': 'application/json',
      ...(options.session !== undefined && { 'x-agent-session': options.session }),
    },
    body: JSON.stringify({
      model: 'the-model',
      messages: typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages,
      stream: options.stream ?? false,
      ...options.body,
    }),
    ...(options.signal && { signal: options.signal }),
  });
}

/** Collects both outputs; a wait fails when the process has ended without the text. */
function watchOutput(child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>) {
  let output = '';
  const changes = new EventTarget();
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      output += decoder.decode(bytes, { stream: true });
      changes.dispatchEvent(new Event('change'));
    }
  };
  let hasEnded = false;
  void Promise.all([read(child.stdout), read(child.stderr)]).then(() => {
    hasEnded = true;
    changes.dispatchEvent(new Event('change'));
  });
  return {
    output: () => output,
    async wrote(text: string) {
      while (!output.includes(text)) {
        if (hasEnded) throw new Error(`The agent ended without "${text}":\n${output}`);
        await new Promise((resolve) => changes.addEventListener('change', resolve, { once: true }));
      }
    },
  };
}

interface Chunk {
  readonly object?: string;
  readonly model?: string;
  readonly choices?: readonly {
    readonly delta: { readonly role?: string; readonly content?: string; readonly reasoning_content?: string };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: { readonly total_tokens: number } | null;
  readonly error?: { readonly message: string; readonly type: string; readonly code: string | null };
}

/** The events of a streamed answer as they arrive, with `[DONE]` as text. */
export async function* chunks(response: Response): AsyncGenerator<Chunk | '[DONE]'> {
  if (!response.body) return;
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) yield data === '[DONE]' ? data : JSON.parse(data);
}

export async function allChunks(response: Response): Promise<(Chunk | '[DONE]')[]> {
  return Array.fromAsync(chunks(response));
}

/** The merged text of a list of chunks. */
export function textOf(list: readonly (Chunk | '[DONE]')[]): string {
  return list.map((chunk) => (chunk === '[DONE]' ? '' : (chunk.choices?.[0]?.delta.content ?? ''))).join('');
}

/** The text of an answer that was not streamed. */
export async function answerText(response: Response): Promise<string> {
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]?.message.content ?? '';
}
