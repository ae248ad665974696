/** The LLM behind the programs: repeats its input, calls a harmless tool on request, and refuses on demand. */

/** The refusal of every chat, after a while. */
export interface Refused {
  readonly status: number;
  readonly error: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly afterMs?: number;
}

interface Message {
  readonly role: string;
  readonly content: unknown;
}

interface Tool {
  readonly function: { readonly name: string; readonly parameters?: Schema };
}

interface Schema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

export interface ClientsUpstream extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** Number of chats that were requested. */
  count: number;
  refused: Refused | undefined;
  /** The command for a shell tool. */
  command: string;
}

/** Names of tools that run a command, in the programs. */
const SHELL = /^(bash|shell|shell_command|exec_command|run_shell_command|run_command)$/i;

export function startClientsUpstream(): ClientsUpstream {
  const key = 'sk-clients-upstream';
  const state = { key, count: 0, refused: undefined as Refused | undefined, command: 'true' };
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (!request.url.endsWith('/chat/completions')) return Response.json({ object: 'list', data: [] });
      const body = (await request.json()) as { messages: Message[]; tools?: Tool[]; stream?: boolean };
      state.count += 1;
      const { refused } = state;
      if (refused) {
        await Bun.sleep(refused.afterMs ?? 0);
        return Response.json({ error: refused.error }, { status: refused.status, headers: { ...refused.headers } });
      }
      return answer(deltaOf(body, state.command), body.stream === true);
    },
  });
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.port}/v1`,
    [Symbol.asyncDispose]: () => server.stop(true),
  });
}

/** The answer to a chat. The prompt names the tool to call; the tool's output is repeated. */
function deltaOf({ messages, tools = [] }: { messages: Message[]; tools?: Tool[] }, command: string): object {
  const asked = messages.filter(({ role, content }) => role === 'user' && /QUESTION-\d/.test(textOf(content)));
  const last = messages.findLastIndex(({ role, content }) => role === 'user' && /QUESTION-\d/.test(textOf(content)));
  const prompt = textOf(messages[last]?.content);
  const results = messages.slice(last + 1).filter(({ role }) => role === 'tool');
  const wanted = /CALL-SHELL/.test(prompt) ? SHELL : /CALL-(PROBE)/.test(prompt) ? /probe/ : undefined;
  const tool = wanted && tools.find((one) => wanted.test(one.function.name));
  if (tool && results.length === 0) {
    const args = JSON.stringify(argumentsFor(tool.function.parameters, command));
    return {
      tool_calls: [
        { index: 0, id: 'call_1', type: 'function', function: { name: tool.function.name, arguments: args } },
      ],
    };
  }
  if (wanted && !tool) return { content: `NO-TOOL among ${tools.map((one) => one.function.name).join(', ')}` };
  if (results.length > 0) return { content: `TOOL-SAID ${textOf(results.at(-1)?.content).slice(0, 200)}` };
  const numbers = asked.map(({ content }) => /QUESTION-(\d)/.exec(textOf(content))?.[1]);
  return { content: `ANSWER-TO ${[...new Set(numbers)].join(' ')}` };
}

function argumentsFor(schema: Schema | undefined, command: string): object {
  const { properties = {}, required = [] } = schema ?? {};
  const names = new Set([...required, ...Object.keys(properties).filter((name) => /^(cmd|command|text)$/.test(name))]);
  return Object.fromEntries([...names].map((name) => [name, valueFor(name, properties[name], command)]));
}

function valueFor(name: string, schema: Schema | undefined, command: string): unknown {
  if (schema?.type === 'array') return ['bash', '-c', command];
  if (schema?.type === 'number' || schema?.type === 'integer') return 10_000;
  if (schema?.type === 'boolean') return false;
  return /^(cmd|command)$/.test(name) ? command : 'harmless';
}

function answer(delta: object, isStream: boolean): Response {
  const base = { id: 'chatcmpl-clients', created: 1_790_000_000, model: 'm' };
  const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  const finish_reason = 'tool_calls' in delta ? 'tool_calls' : 'stop';
  if (!isStream) {
    const choices = [{ index: 0, message: { role: 'assistant', content: null, ...delta }, finish_reason }];
    return Response.json({ ...base, object: 'chat.completion', choices, usage });
  }
  const chunk = (more: object) => `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...more })}\n\n`;
  const text =
    chunk({ choices: [{ index: 0, delta: { role: 'assistant', ...delta }, finish_reason: null }] }) +
    chunk({ choices: [{ index: 0, delta: {}, finish_reason }] }) +
    chunk({ choices: [], usage });
  return new Response(`${text}data: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } });
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '').join('') : '';
}
