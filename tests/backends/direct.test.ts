import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../support/router';
import { hang, startUpstream, UPSTREAM_USAGE, type Upstream } from '../support/upstream';
import { ACCESS_KEY, type AgentProcess, allChunks, answerText, chunks, startAgent, textOf } from './agent-process';

setDefaultTimeout(120_000);

let upstream: Upstream;
let direct: AgentProcess;
beforeEach(async () => {
  upstream = startUpstream();
  direct = await startAgent('direct', environment());
});
afterEach(async () => {
  await direct[Symbol.asyncDispose]();
  await upstream.stop();
});

function environment() {
  return { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'the-llm' };
}

async function messagesOf(request: number) {
  return (await upstream.request(request)).body.messages ?? [];
}

test('ended is ended: an answer is read to its end, and the connection serves the next one', async () => {
  const ports = new Set<number | undefined>();
  const ends: string[] = [];
  const body = (end: 'close' | 'never') =>
    new ReadableStream({
      async start(controller) {
        const choice = { index: 0, delta: { content: 'Hi.' }, finish_reason: 'stop' };
        controller.enqueue(`data: ${JSON.stringify({ choices: [choice] })}\n\ndata: [DONE]\n\n`);
        if (end === 'never') return;
        // The end comes behind the last event, as a server's own events of its end do.
        await new Promise((resolve) => setImmediate(resolve));
        controller.close();
        ends.push('finished');
      },
      cancel: () => void ends.push('left'),
    }).pipeThrough(new TextEncoderStream());
  using server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request, self) {
      ports.add(self.requestIP(request)?.port);
      const headers = { 'content-type': 'text/event-stream' };
      return new Response(body(new URL(request.url).pathname.startsWith('/never') ? 'never' : 'close'), { headers });
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  await using kept = await startAgent('direct', { ...environment(), LLM_BASE_URL: `${url}/v1` });
  for (let count = 1; count <= 5; count += 1) {
    expect(await answerText(await kept.ask('Hi'))).toBe('Hi.');
    await until(() => ends.length === count, 'the answer has ended');
  }
  expect([ends, ports.size]).toEqual([Array(5).fill('finished'), 1]);
  // A server that does not close its body keeps nobody waiting.
  await using held = await startAgent('direct', { ...environment(), LLM_BASE_URL: `${url}/never/v1` });
  expect(await answerText(await held.ask('Hi'))).toBe('Hi.');
});

describe('the direct agent asks the model', () => {
  test('with LLM_MODEL, its own key and what the client chose', async () => {
    await direct.ask('Hi', { body: { temperature: 0.3, max_tokens: 50, logit_bias: {}, user: 'someone' } });
    const { body, path, headers } = await upstream.request(1);
    expect(path).toBe('/chat/completions');
    expect(body).toEqual({
      model: 'the-llm',
      temperature: 0.3,
      max_tokens: 50,
      logit_bias: {},
      user: 'someone',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(headers.get('x-agent-session')).toBeNull();
    expect(upstream.refusedCount).toBe(0);
  });

  test('with the name of the request that it serves, where it was told', async () => {
    for (const work of ['0123456789abcdef01234567', undefined]) {
      const response = await fetch(`${direct.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ACCESS_KEY}`, ...(work !== undefined && { 'x-agent-work': work }) },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] }),
      });
      expect(response.status).toBe(200);
      expect(upstream.requests.at(-1)?.headers.get('x-agent-work')).toBe(work ?? null);
    }
  });

  test('with AGENTS.md and USER.md of its home as they are at that turn', async () => {
    await Bun.write(join(direct.home, 'AGENTS.md'), 'Be brief.\n');
    await direct.ask('Hi');
    expect((await messagesOf(1))[0]).toEqual({ role: 'system', content: 'Be brief.' });
    await Bun.write(join(direct.home, 'AGENTS.md'), 'Be kind.\n');
    await Bun.write(join(direct.home, 'USER.md'), 'This is Ada.\n');
    await direct.ask('Hi');
    expect((await messagesOf(2))[0]).toEqual({ role: 'system', content: 'Be kind.\n\nThis is Ada.' });
  });

  test('with the pictures of the session, of which the home has each once', async () => {
    const url = `data:image/png;base64,${'A'.repeat(400_000)}`;
    const picture = { type: 'image_url', image_url: { url, detail: 'low' } };
    const content = [{ type: 'text', text: 'Look' }, picture];
    const messages = [{ role: 'user', content }];
    for (const _ of [1, 2]) await direct.ask('', { session: 's-pictures', body: { messages } });
    await direct.ask('And now?', { session: 's-pictures' });
    const told = (await messagesOf(3)).filter(({ role }) => role === 'user');
    expect(told).toEqual([
      { role: 'user', content },
      { role: 'user', content },
      { role: 'user', content: 'And now?' },
    ]);
    expect(await readdir(join(direct.home, 'sessions/pictures'))).toHaveLength(1);
    expect(Bun.file(join(direct.home, 'sessions/s-pictures.jsonl')).size).toBeLessThan(2_000);
  });

  test('with the history of the session, which survives a restart and is not shared', async () => {
    upstream.script({ pieces: ['First ', 'answer'] });
    await direct.ask('one', { session: 's-1' });
    await direct.ask('elsewhere', { session: 's-2' });
    await using again = await startAgent('direct', environment(), direct.home);
    await again.ask('two', { session: 's-1', stream: true }).then(allChunks);
    expect(await messagesOf(3)).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'First answer' },
      { role: 'user', content: 'two' },
    ]);
  });

  test('with the messages of the request where there is no session', async () => {
    const looking = [
      { type: 'text', text: 'Look' },
      { type: 'image_url', image_url: { url: 'data:,' } },
    ];
    await direct.ask([
      { role: 'developer', content: 'Be odd.' },
      { role: 'user', content: looking },
    ]);
    expect((await upstream.request(1)).body.messages).toEqual([
      { role: 'system', content: 'Be odd.' },
      { role: 'user', content: looking },
    ]);
    expect(existsSync(join(direct.home, 'sessions'))).toBe(false);
  });

  test('with the newest part of a history that has grown too long', async () => {
    const long = 'x'.repeat(90_000);
    for (const name of ['a', 'b', 'c']) await direct.ask(`${name}${long}`, { session: 'big' });
    await direct.ask('and now', { session: 'big' });
    const starts = (await messagesOf(4)).map(({ role, content }) => `${role} ${String(content).slice(0, 1)}`);
    expect(starts).toEqual(['user b', 'assistant H', 'user c', 'assistant H', 'user a']);
  });
});

describe('the direct agent streams', () => {
  test('a chunk before the next one is there', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.script({ pieces: ['Hel', gate.promise, 'lo'] });
    const seen: string[] = [];
    for await (const chunk of chunks(await direct.ask('Hi', { stream: true }))) {
      const text = textOf([chunk]);
      if (text !== '') seen.push(text);
      if (text === 'Hel') gate.resolve();
    }
    expect(seen).toEqual(['Hel', 'lo']);
  });

  test('and passes usage and finish reason on', async () => {
    upstream.script({ pieces: ['cut sho'], finish: 'length' });
    const list = await allChunks(
      await direct.ask('Hi', { stream: true, body: { stream_options: { include_usage: true } } }),
    );
    expect(list.at(-3)).toMatchObject({ choices: [{ finish_reason: 'length' }] });
    expect(list.at(-2)).toMatchObject({ choices: [], usage: UPSTREAM_USAGE });
    expect(list.at(-1)).toBe('[DONE]');
    expect(await (await direct.ask('Hi')).json()).toMatchObject({ model: 'the-model', usage: UPSTREAM_USAGE });
  });

  test('characters of many bytes whole', async () => {
    upstream.script({ pieces: ['日本', '語 👩‍👩‍', '👧‍👦'] });
    expect(textOf(await allChunks(await direct.ask('Hi', { stream: true })))).toBe('日本語 👩‍👩‍👧‍👦');
  });
});

describe('a client that leaves', () => {
  test('in the middle ends the call to the model, and the text so far is kept', async () => {
    upstream.script({ pieces: ['Half an', hang()] });
    const leaving = new AbortController();
    const response = await direct.ask('Hi', { stream: true, session: 'left', signal: leaving.signal });
    for await (const chunk of chunks(response)) if (textOf([chunk]) !== '') break;
    leaving.abort();
    expect(await (await upstream.request(1)).ended).toBe('aborted');
    await direct.wrote('turn.cancelled');
    expect(await Bun.file(join(direct.home, 'sessions/left.jsonl')).text()).toContain('Half an');
  });

  test('before the first byte ends the call to the model too, streamed or not', async () => {
    for (const [index, stream] of [true, false].entries()) {
      upstream.script({ silent: true });
      const leaving = new AbortController();
      const response = direct.ask('Hi', { stream, signal: leaving.signal });
      const call = await upstream.request(index + 1);
      leaving.abort();
      await expect(response).rejects.toThrow();
      expect(await call.ended).toBe('aborted');
    }
    expect(upstream.abortedCount).toBe(2);
  });
});

describe('an upstream in trouble', () => {
  test('is passed on with status, OpenAI error and retry-after, without the key', async () => {
    for (const status of [401, 429, 500]) {
      const message = `No, ${upstream.key} will not do.`;
      upstream.script({ status, message, code: 'no', headers: { 'retry-after': '7' } });
      const response = await direct.ask('Hi', { stream: true, session: 'failed' });
      expect(response.status).toBe(status);
      expect(response.headers.get('retry-after')).toBe('7');
      const error = { message: 'No, [key] will not do.', type: 'upstream_error', param: null, code: 'no' };
      expect(await response.json()).toEqual({ error });
    }
    expect(await Bun.file(join(direct.home, 'sessions/failed.jsonl')).exists()).toBe(false);
    expect(direct.output()).not.toContain(upstream.key);
  });

  test('with a page instead of an error object is reported in plain words', async () => {
    upstream.script({ status: 503, body: '<html>nginx</html>' });
    const response = await direct.ask('Hi');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { message: 'The model answered with HTTP 503.' } });
  });

  test('that cannot be reached is a 502', async () => {
    await upstream.stop();
    const response = await direct.ask('Hi', { stream: true });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: 'upstream_unreachable' } });
  });

  test('that is lost in the middle gives an error event and [DONE], and what was said is kept', async () => {
    for (const end of ['cut', 'close', 'error'] as const) {
      const arrived = Promise.withResolvers<void>();
      upstream.script({ pieces: [`Half ${end}`, arrived.promise], end });
      const list: Awaited<ReturnType<typeof allChunks>> = [];
      for await (const chunk of chunks(await direct.ask('Hi', { stream: true, session: 'lost' }))) {
        list.push(chunk);
        if (textOf([chunk]) !== '') arrived.resolve();
      }
      expect(textOf(list)).toBe(`Half ${end}`);
      expect(list.at(-2)).toHaveProperty('error.message');
      expect(list.at(-1)).toBe('[DONE]');
      expect(await Bun.file(join(direct.home, 'sessions/lost.jsonl')).text()).toContain(`Half ${end}`);
    }
    upstream.script({ pieces: ['Half'], end: 'close' });
    expect((await direct.ask('Hi')).status).toBe(502);
  });
});

describe('the direct agent as a process', () => {
  test('does not start without an upstream, and says which variable is missing', async () => {
    await expect(startAgent('direct', { ...environment(), LLM_MODEL: '' })).rejects.toThrow('LLM_MODEL is not set.');
  });

  test('ends at once and well on SIGTERM, also in the middle of an answer', async () => {
    upstream.script({ pieces: ['Half', hang()] });
    const response = await direct.ask('Hi', { stream: true });
    direct.process.kill('SIGTERM');
    expect(await direct.process.exited).toBe(0);
    await response.text().catch(() => undefined);
  });

  test('answers without the access key are refused', async () => {
    expect((await direct.ask('Hi', { key: 'wrong' })).status).toBe(401);
    expect(upstream.requests).toHaveLength(0);
    expect(await answerText(await direct.ask('Hi'))).toBe('Hello from upstream.');
  });
});
