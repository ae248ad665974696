/** The client matrix with curl: `/v1` from a script. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { ADD, type Call, matrix, SUM } from './matrix';

/** curl's own exit codes; `--fail` exits with 22 for a status of 400 and more. */
class CurlError extends Error {
  constructor(
    readonly exitCode: number,
    readonly status: number | undefined,
    body: string,
  ) {
    super(messageIn(body) ?? body);
  }
}

/** The message of OpenAI's error object. */
function messageIn(body: string): string | undefined {
  return body.startsWith('{"error"') ? JSON.parse(body).error?.message : undefined;
}

interface Part {
  readonly content?: string | null;
  readonly tool_calls?: readonly { readonly id?: string; readonly function?: { readonly arguments?: string } }[];
}

/** Sends a body. The status is written to standard error, after curl's own messages. */
function curl({ url, key, signal, once }: Call, body: object) {
  const command = [
    ...['curl', '--silent', '--no-buffer', '--write-out', '%{stderr}%{http_code}'],
    ...['--header', `Authorization: Bearer ${key}`, '--header', 'Content-Type: application/json'],
    // Output that was written cannot be replaced by a retry.
    ...(once ? ['--fail-with-body'] : ['--fail', '--retry', '2']),
    ...['--data', JSON.stringify(body), `${url}/chat/completions`],
  ];
  return Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe', ...(signal && { signal }) });
}

/** Throws the error of a curl that has failed. */
async function check(child: ReturnType<typeof curl>, body: string): Promise<void> {
  const status = Number((await new Response(child.stderr).text()).slice(-3));
  const exitCode = await child.exited;
  if (exitCode !== 0 || messageIn(body) !== undefined) {
    throw new CurlError(exitCode, exitCode === 22 ? status : undefined, body);
  }
}

async function ask(call: Call, body: object): Promise<Part> {
  const child = curl(call, body);
  const text = await new Response(child.stdout).text();
  await check(child, text);
  return JSON.parse(text).choices[0].message;
}

/** The deltas of a stream, as a script reads them: line by line, until `[DONE]`. */
async function* deltas(call: Call, body: object): AsyncGenerator<Part> {
  const child = curl(call, { ...body, stream: true });
  const [forEvents, forRefusal] = child.stdout.tee();
  const refusal = new Response(forRefusal).text();
  const events = forEvents.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    if (data === '[DONE]') break;
    await throwIfError(child, data);
    const delta = JSON.parse(data).choices[0]?.delta;
    if (delta) yield delta;
  }
  if (!call.signal?.aborted) await check(child, await refusal);
}

async function throwIfError(child: ReturnType<typeof curl>, data: string): Promise<void> {
  if (messageIn(data) !== undefined) await check(child, data);
}

const asking = ({ text }: Call) => [{ role: 'user', content: text }];

matrix({
  chat: async (call) => (await ask(call, { model: call.model, messages: asking(call) })).content ?? '',

  async *stream(call) {
    for await (const { content } of deltas(call, { model: call.model, messages: asking(call) })) {
      if (content) yield content;
    }
  },

  async add(call, isStream) {
    const say = async (messages: readonly object[]): Promise<{ text: string; id?: string; input: string }> => {
      const body = { model: call.model, messages, tools: [{ type: 'function', function: ADD }] };
      const parts = isStream ? await Array.fromAsync(deltas(call, body)) : [await ask(call, body)];
      const calls = parts.flatMap((part) => part.tool_calls ?? []);
      const id = calls.find((one) => one.id)?.id;
      return {
        text: parts.map(({ content }) => content ?? '').join(''),
        input: calls.map((one) => one.function?.arguments ?? '').join(''),
        ...(id !== undefined && { id }),
      };
    };
    const { text, id, input } = await say(asking(call));
    if (id === undefined) return { text, calledWith: undefined };
    const called = { id, type: 'function', function: { name: ADD.name, arguments: input } };
    const last = await say([
      ...asking(call),
      { role: 'assistant', content: null, tool_calls: [called] },
      { role: 'tool', tool_call_id: id, content: SUM },
    ]);
    return { text: last.text, calledWith: JSON.parse(input) };
  },

  explain(error) {
    if (!(error instanceof CurlError)) throw error;
    return { kind: `exit code ${error.exitCode}`, status: error.status, message: error.message };
  },

  kinds: {
    'a wrong key': 'exit code 22',
    'an unknown model': 'exit code 22',
    'credentials that are not set': 'exit code 22',
    'a key that is for something else': 'exit code 22',
    'a key at its limit': 'exit code 22',
    'a budget that is used up': 'exit code 22',
    'an agent that does not start': 'exit code 22',
    'an upstream that refuses the key': 'exit code 22',
    'an upstream that is busy': 'exit code 22',
    'an upstream that refuses the request': 'exit code 22',
    // The status was 200, so the exit code is 0: the reason is in the last event.
    'an agent that is lost in the middle': 'exit code 0',
  },
});
