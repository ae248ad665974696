/** No error ends the process: every hook of a router throws, and the router serves all other and later requests. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

/** The same requests repeatedly, until each hook has been called. */
const ROUNDS_MAX = 40;

test('the router goes on whatever hook of its own throws, and answers as before', async () => {
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  const chunk = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Hi', tool_calls: [] } }] })}\n\n`;
  await using script = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { stream } = (await request.json()) as { stream?: boolean };
      if (!stream) return Response.json({ choices: [{ message: { role: 'assistant', content: 'Hi' } }], usage });
      const pieces = [chunk, chunk, `data: ${JSON.stringify({ choices: [], usage })}\n\n`, 'data: [DONE]\n\n'];
      const body = new ReadableStream({
        async pull(controller) {
          const next = pieces.shift();
          // The recorder's timer fires in between.
          await Bun.sleep(70);
          if (next === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(next));
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  const backend = {
    driver: 'process',
    trusted: true,
    cmd: ['bun', join(import.meta.dir, '../support/puppet.ts')],
    health_path: '/healthz',
    user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'],
  };
  await using router = await startRouterProcess({ backends: [{ ...backend, name: 'caller' }], preload: 'throwing.ts' });
  const { pid } = router;
  const alice = await router.signIn(PEOPLE.alice);
  const key = await alice.createKey();
  const values = { LLM_BASE_URL: `http://127.0.0.1:${script.port}/v1`, LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
  for (const [name, value] of Object.entries(values)) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  const messages = [{ role: 'user', content: 'Hi' }];
  const ask = async (path: string, body: object, leaveAfter?: number) => {
    const leave = new AbortController();
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const asked = fetch(`${router.url}/v1/${path}`, {
      ...{ method: 'POST', headers, signal: leave.signal },
      body: JSON.stringify({ model: 'caller', ...body }),
    });
    try {
      const response = await asked;
      if (leaveAfter === undefined) return [response.status, (await response.text()).includes('Hi')];
      await response.body?.getReader().read();
    } catch {
      return [0, false];
    } finally {
      if (leaveAfter !== undefined) leave.abort();
    }
    return [0, false];
  };
  const requests = [
    () => ask('chat/completions', { messages }),
    () => ask('chat/completions', { messages, stream: true, store: true }),
    () => ask('responses', { input: 'Hi' }),
    () => ask('responses', { input: 'Hi', stream: true, store: true }),
  ];
  const fine = [200, true];
  for (const request of requests) expect(await request()).toEqual(fine);

  process.kill(pid, 'SIGUSR2');
  await until(() => router.output().includes('ARMED'), 'the router throws');
  const thrown = () => router.output().match(/^THREW .*$/gm) ?? [];
  let before = -1;
  for (let round = 0; round < ROUNDS_MAX && thrown().length > before; round += 1) {
    before = thrown().length;
    for (const request of requests) await request();
    await ask('chat/completions', { messages, stream: true }, 1);
    await alice.request('/');
  }

  expect(thrown().length).toBeGreaterThan(20);
  for (const request of requests) expect(await request()).toEqual(fine);
  expect(router.pid).toBe(pid);
  expect(router.output()).not.toContain('router.stopp');
});
