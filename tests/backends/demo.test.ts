import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { ACCESS_KEY, type AgentProcess, allChunks, answerText, chunks, startAgent, textOf } from './agent-process';

// Answers come at a reader's pace.
setDefaultTimeout(120_000);

let demo: AgentProcess;
beforeAll(async () => {
  demo = await startAgent('demo', { AGENT_USER_NAME: 'Ada' });
});
afterAll(() => demo[Symbol.asyncDispose]());

describe('the demo agent speaks OpenAI', () => {
  test('health needs no key, everything else does', async () => {
    expect(await (await fetch(`${demo.url}/healthz`)).json()).toEqual({ ok: true });
    for (const path of ['/v1/models', '/v1/chat/completions', '/elsewhere']) {
      const refused = await fetch(demo.url + path);
      expect(refused.status).toBe(401);
      expect(await refused.json()).toMatchObject({ error: { type: 'authentication_error', code: 'invalid_api_key' } });
    }
    expect((await demo.ask('hello', { key: `${ACCESS_KEY}x` })).status).toBe(401);
    const models = await fetch(`${demo.url}/v1/models`, { headers: { authorization: `Bearer ${ACCESS_KEY}` } });
    expect(await models.json()).toMatchObject({ object: 'list', data: [{ id: 'demo', object: 'model' }] });
  });

  test('a whole answer has the shape of a chat completion', async () => {
    const body = await (await demo.ask('hello')).json();
    expect(body).toMatchObject({
      object: 'chat.completion',
      model: 'the-model',
      choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'stop' }],
    });
    expect(body).toHaveProperty('usage.total_tokens');
    expect(JSON.stringify(body)).toContain('Hello Ada!');
    expect(JSON.stringify(body)).toContain('offline demo');
  });

  test('a streamed answer has role, content, finish, usage and [DONE], in that order', async () => {
    const response = await demo.ask('echo one two three', {
      stream: true,
      body: { stream_options: { include_usage: true } },
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const list = await allChunks(response);
    expect(list[0]).toMatchObject({ object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' } }] });
    expect(textOf(list)).toBe('one two three');
    expect(list.at(-3)).toMatchObject({ choices: [{ delta: {}, finish_reason: 'stop' }], usage: null });
    expect(list.at(-2)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 },
    });
    expect(list.at(-1)).toBe('[DONE]');
  });

  test('it says which files came with a message, and draws a picture', async () => {
    const label = (name: string, type: string, bytes: number) => ({
      type: 'text',
      text: `\n\nFile "${name}" (${type}, ${bytes} bytes):\n\nx`,
    });
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    const ask = (content: object[]) => demo.ask('', { body: { messages: [{ role: 'user', content }] } });
    const named = await answerText(await ask([{ type: 'text', text: 'echo hi' }, label('a|b.txt', 'text/plain', 7)]));
    expect(named).toContain('| `a\\|b.txt` | text/plain | 7 |');
    expect(named).toEndWith('hi');
    expect(await answerText(await ask([image]))).toContain('| `a picture` | image/png | 3 |');
    const drawn = JSON.stringify(await allChunks(await demo.ask('image', { stream: true })));
    expect(drawn).toContain('"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo');
    expect(await answerText(await demo.ask('image markdown'))).toContain('![Hills](data:image/png;base64,iVBORw0KGgo');
  });

  test('usage comes only when asked for', async () => {
    const list = await allChunks(await demo.ask('echo hi', { stream: true }));
    expect(JSON.stringify(list)).not.toContain('usage');
  });

  test('the OpenAI SDK reads its answers and its errors', async () => {
    const client = new OpenAI({ baseURL: `${demo.url}/v1`, apiKey: ACCESS_KEY, maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: 'demo',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'echo parts are read' }] }],
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('parts are read');
    const fail = async () =>
      client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content: 'fail' }] });
    await expect(fail()).rejects.toThrow('The demo agent failed, as you asked.');
  });

  test('a body that makes no sense is refused by name', async () => {
    for (const messages of [[], [{ role: 'robot', content: 'x' }], [{ role: 'user', content: 1 }], ['x']]) {
      const response = await demo.ask(messages);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: { type: 'invalid_request_error', param: expect.stringMatching(/^messages/) },
      });
    }
    expect((await demo.ask('x', { body: { messages: 'x' } })).status).toBe(400);
  });
});

describe('the demo agent remembers', () => {
  test('a session over turns and over a restart, in a file of its own', async () => {
    await using first = await startAgent('demo', {});
    await first.ask('My cat is grey', { session: 'c-1' });
    await using again = await startAgent('demo', {}, first.home);
    expect(await answerText(await again.ask('What did I just say?', { session: 'c-1' }))).toContain('My cat is grey');
    expect(await answerText(await again.ask('What did I just say?', { session: 'c-2' }))).toContain('first thing');
    expect((await readdir(join(first.home, 'sessions'))).sort()).toEqual(['c-1.jsonl', 'c-2.jsonl']);
    expect((await stat(join(first.home, 'sessions/c-1.jsonl'))).mode & 0o777).toBe(0o600);
  });

  test('only the newest user message of a request that has a session', async () => {
    const invented = [
      { role: 'user', content: 'I said this before' },
      { role: 'assistant', content: 'Yes' },
      { role: 'user', content: 'What did I just say?' },
    ];
    expect(await answerText(await demo.ask(invented, { session: 'newest' }))).not.toContain('I said this before');
    expect(await answerText(await demo.ask(invented))).toContain('I said this before');
  });

  test('nothing under a name that is not plain', async () => {
    for (const session of ['../x', 'a/b', '.hidden', 'UPPER', 'x'.repeat(129)]) {
      expect((await demo.ask('hello', { session })).status).toBe(400);
    }
  });

  test('the text before the client left is stored, and the agent stops at once', async () => {
    const leaving = new AbortController();
    const response = await demo.ask('slow', { session: 'left', stream: true, signal: leaving.signal });
    let said = '';
    for await (const chunk of chunks(response)) {
      said = textOf([chunk]);
      if (said !== '') break;
    }
    leaving.abort();
    await demo.wrote('turn.cancelled');
    const kept = await Bun.file(join(demo.home, 'sessions/left.jsonl')).text();
    expect(kept).toContain('{"role":"user","content":"slow"}');
    expect(kept).toContain(`"content":"${said}`);
  });

  test('nothing of a client that left before the answer began', async () => {
    await using agent = await startAgent('demo', {});
    const leaving = new AbortController();
    const response = agent.ask('silent 600', { session: 'gone', signal: leaving.signal });
    await agent.wrote('turn.started');
    leaving.abort();
    await expect(response).rejects.toThrow();
    await agent.wrote('turn.cancelled');
    expect(await Bun.file(join(agent.home, 'sessions/gone.jsonl')).exists()).toBe(false);
  });
});

describe('the scripted words', () => {
  test('help lists each of them', async () => {
    const help = await answerText(await demo.ask('help'));
    for (const word of [
      'slow',
      'long',
      'echo',
      'unicode',
      'markdown',
      'think',
      'silent',
      'fail',
      'error',
      'break',
      'crash',
    ]) {
      expect(help).toContain(`\`${word}`);
    }
  });

  test('long, unicode, markdown, echo, slow, think and silent answer in full', async () => {
    expect((await answerText(await demo.ask('long 3'))).match(/\*\*\d\.\*\*/g)).toHaveLength(3);
    expect((await answerText(await demo.ask('long'))).match(/\*\*\d+\.\*\*/g)).toHaveLength(40);
    expect(textOf(await allChunks(await demo.ask('unicode', { stream: true })))).toContain('👩‍👩‍👧‍👦');
    expect(await answerText(await demo.ask('markdown'))).toContain('|:-----|:-----:|------:|');
    expect(await answerText(await demo.ask('slow one two'))).toBe('one two');
    expect(await answerText(await demo.ask('Echo  as *it* is\n\n- here'))).toBe('as *it* is\n\n- here');
    expect(await answerText(await demo.ask('silent 0.1'))).toContain('0.1 seconds');
    const thought = await (await demo.ask('think')).json();
    expect(thought).toMatchObject({
      choices: [{ message: { reasoning_content: expect.stringContaining('see me think') } }],
    });
  });

  test('fail is an error before the stream', async () => {
    const response = await demo.ask('fail', { stream: true });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { type: 'server_error', code: 'demo_failure' } });
  });

  test('error is an error event in the middle, then [DONE]', async () => {
    const list = await allChunks(await demo.ask('error', { stream: true }));
    expect(textOf(list)).toContain('A runner is');
    expect(list.at(-2)).toMatchObject({ error: { type: 'server_error', code: 'demo_failure' } });
    expect(list.at(-1)).toBe('[DONE]');
    expect((await demo.ask('error')).status).toBe(500);
  });

  test('break cuts the connection in the middle', async () => {
    const seen: unknown[] = [];
    const reading = async () => {
      for await (const chunk of chunks(await demo.ask('break', { stream: true }))) seen.push(chunk);
    };
    await expect(reading()).rejects.toThrow();
    expect(seen.length).toBeGreaterThan(5);
    expect(seen).not.toContain('[DONE]');
    await expect(demo.ask('break').then((response) => response.text())).rejects.toThrow();
    expect((await fetch(`${demo.url}/healthz`)).status).toBe(200);
  });

  test('crash ends the process with code 3 in the middle', async () => {
    await using agent = await startAgent('demo', {});
    const seen: unknown[] = [];
    const reading = async () => {
      for await (const chunk of chunks(await agent.ask('crash', { stream: true }))) seen.push(chunk);
    };
    await expect(reading()).rejects.toThrow();
    expect(seen.length).toBeGreaterThan(5);
    expect(await agent.process.exited).toBe(3);
  });
});

describe('the demo agent as a process', () => {
  test('is not ready before DEMO_START_DELAY_MS', async () => {
    await using agent = await startAgent('demo', { DEMO_START_DELAY_MS: '2000' });
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(503);
    expect((await agent.ask('hello')).status).toBe(503);
    await agent.wrote('agent.ready');
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(200);
  });

  test('ends at once and well on SIGTERM, also in the middle of an answer', async () => {
    await using agent = await startAgent('demo', {});
    const response = await agent.ask('slow', { stream: true });
    agent.process.kill('SIGTERM');
    expect(await agent.process.exited).toBe(0);
    await response.text().catch(() => undefined);
  });

  test('does not start without an access key, and says why', async () => {
    await expect(startAgent('demo', { OPENAI_API_KEY: '' })).rejects.toThrow('OPENAI_API_KEY is not set.');
  });

  test('never writes what people say or the key to its output', async () => {
    await demo.ask('echo something private', { session: 'private' });
    expect(demo.output()).not.toContain('private');
    expect(demo.output()).not.toContain(ACCESS_KEY);
  });
});
