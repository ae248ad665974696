/** No agent calls itself without end, whatever way leads back to the router. */
import { expect, test } from 'bun:test';
import { connect, createServer } from 'node:net';
import { callUpstream, LLM, setValues } from '../support/broker';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { startUpstream } from '../support/upstream';

/** Forwards to a port, so that no check of the address can detect the loop. */
async function forwarder(port: number): Promise<{ readonly port: number } & Disposable> {
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The forwarder has no port');
  return { port: address.port, [Symbol.dispose]: () => void server.close() };
}

test.each([false, true])(
  'an agent whose upstream leads back to the router is refused after a few rounds (streamed: %p)',
  async (stream) => {
    const runner = scriptedRunner(`hops-circle-${stream}`);
    await using router = await startRouter({
      backends: [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)],
    });
    const alice = await router.person(PEOPLE.alice);
    using way = await forwarder(Number(new URL(router.url).port));
    const key = await alice.createKey();
    await setValues(alice, { LLM_BASE_URL: `http://127.0.0.1:${way.port}/v1`, LLM_API_KEY: key, LLM_MODEL: 'agent' });
    runner.reply = ({ headers }) => callUpstream(runner, headers);
    const body = { model: 'agent', stream, messages: [{ role: 'user', content: 'Hi' }] };
    const answer = await alice.request('/v1/chat/completions', { method: 'POST', body });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('leads back to this router')]);
    expect(answer.headers.get('x-should-retry')).not.toBe('true');
    expect(runner.requests).toHaveLength(4);
  },
);

test('a way back to the broker itself is refused as well', async () => {
  const runner = scriptedRunner('hops-broker');
  await using router = await startRouter({
    backends: [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)],
  });
  const alice = await router.person(PEOPLE.alice);
  using way = await forwarder(Number(new URL(router.internalUrl).port));
  await setValues(alice, {
    LLM_BASE_URL: `http://127.0.0.1:${way.port}/upstream/v1`,
    LLM_API_KEY: 'later',
    LLM_MODEL: 'm',
  });
  await alice.request('/api/runners/agent/start', { method: 'POST' });
  await setValues(alice, { LLM_API_KEY: runner.specs.at(-1)?.env.LLM_API_KEY ?? '' });
  runner.reply = ({ headers }) => callUpstream(runner, headers);
  const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
  const answer = await alice.request('/v1/chat/completions', { method: 'POST', body });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('leads back to this router')]);
  expect(runner.requests).toHaveLength(1);
});

test('the hops of a request through other routers are counted on, and a few are allowed', async () => {
  const runner = scriptedRunner('hops-chain');
  await using router = await startRouter({
    backends: [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)],
  });
  await using upstream = startUpstream();
  const alice = await router.person(PEOPLE.alice);
  await setValues(alice, { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'm' });
  runner.reply = ({ headers }) => callUpstream(runner, headers);
  const ask = async (hops?: string) => {
    const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
    const headers = hops === undefined ? {} : { 'x-agent-stack-hops': hops };
    return (await alice.request('/v1/chat/completions', { method: 'POST', headers, body })).status;
  };
  const counted = () => upstream.requests.at(-1)?.headers.get('x-agent-stack-hops');
  for (const [hops, next] of [
    [undefined, '1'],
    ['2', '3'],
    ['3', '4'],
    ['none', '1'],
  ] as const) {
    expect([hops, await ask(hops), counted()]).toEqual([hops, 200, next]);
  }
  expect([await ask('4'), await ask('400'), upstream.requests.length]).toEqual([400, 400, 4]);
  expect(runner.requests.at(-1)?.headers.get('x-agent-stack-hops')).toBeNull();
});
