/** Behaviour that only OpenClaw has (`tests/support/runtimes/openclaw.ts`), as the router sees it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { until } from '../support/router';
import { type Runtime, type Somebody, startRuntime } from '../support/runtimes';
import { eventsOf } from '../support/scripted-runner';

let runtime: Runtime;
let alice: Somebody;
beforeAll(async () => {
  runtime = await startRuntime('openclaw');
  alice = runtime.alice;
});
afterAll(() => runtime[Symbol.asyncDispose]());

const ask = (more: object = {}) =>
  alice.openai.chat.completions.create({ model: 'openclaw', messages: [{ role: 'user', content: 'Hi' }], ...more });
/** The runner of alice. */
const runner = () => {
  const runners = [...runtime.router.platform.runners.values()];
  return runners.find(({ spec }) => spec.labels['agent-stack.agent'] === alice.agentId);
};
const spec = () => runner()?.spec;
const sessions = async () =>
  Object.keys(await Bun.file(`${spec()?.home.source}/agents/main/agent/sessions.json`).json());

async function streamed(): Promise<string[]> {
  const body = { model: 'openclaw', messages: [{ role: 'user', content: 'Hi' }], stream: true };
  const response = await alice.person.request('/v1/chat/completions', { method: 'POST', body });
  expect(response.status).toBe(200);
  return eventsOf(await response.text());
}

test('the gateway listens before it is ready, and is not asked anything until it is', async () => {
  const { id } = await ask();
  expect(id).toBeString();
  const key = { authorization: `Bearer ${spec()?.env.OPENCLAW_GATEWAY_TOKEN}` };
  const url = runner()?.url ?? '';
  expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${url}/v1/models`, { headers: key })).status).toBe(200);
});

test('a conversation is a session under its own id, in lower case and with no prefix that means something', async () => {
  const id = await alice.converse();
  await alice.say(id, 'Hello.');
  expect(id).toMatch(/^[0-9a-f]{24}$/);
  expect(await sessions()).toContain(`agent:main:conv-${id}`);
});

test('a request without a conversation is a session of its own, also when the client names a user', async () => {
  const before = await sessions();
  await ask({ user: 'Anna' });
  await ask({ user: 'anna' });
  const added = (await sessions()).filter((key) => !before.includes(key));
  expect(added).toHaveLength(2);
  expect(added.every((key) => key.startsWith('agent:main:openai:'))).toBeTrue();
});

test('its one agent is asked, and a persona that it does not have is refused by name', async () => {
  for (const model of ['openclaw', 'openclaw/main']) expect((await ask({ model })).model).toBe('openclaw/main');
  const refused = await Promise.resolve(ask({ model: 'openclaw/researcher' })).catch(String);
  expect(refused).toContain('No agent serves model "openclaw/researcher"');
});

test('an upstream that fails is one call, a status to a client that waits, and a failed answer', async () => {
  const id = await alice.converse();
  for (const [script, status] of [
    [{ status: 500, message: 'Broken.' }, 502],
    [{ status: 429, message: 'Slow down.', headers: { 'retry-after': '60' } }, 429],
    [{ status: 404, message: 'No such model.' }, 404],
    [{ status: 400, message: 'Too long.' }, 400],
    [{ pieces: ['Half'], end: 'error' }, 502],
  ] as const) {
    const before = runtime.upstream.requests.length;
    runtime.upstream.script(script);
    const error = await ask().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect([(error as { status?: number }).status, runtime.upstream.requests.length - before]).toEqual([status, 1]);
  }
  runtime.upstream.script({ status: 429, message: 'Slow down.', headers: { 'retry-after': '60' } });
  const said = await alice.say(id, 'Hello?');
  expect(said).toMatchObject({ status: 'failed', failure: { code: 'runner_error', message: 'Slow down.' } });
  expect(await alice.say(id, 'And now?')).toMatchObject({ status: 'done', content: 'Hello from upstream.' });
});

test('an error event in a stream that closes properly goes through as it is, and is an error to the SDK', async () => {
  runtime.upstream.script({ pieces: ['Half'], end: 'error' });
  const events = await streamed();
  expect(events.at(-1)).toBe('[DONE]');
  expect(JSON.parse(events.at(-2) ?? '')).toEqual({
    error: { message: 'upstream provider error', type: 'api_error' },
  });
  runtime.upstream.script({ status: 500, message: 'Broken.' });
  await expect(Array.fromAsync(alice.stream('Hi'))).rejects.toThrow('upstream provider error');
});

test('a client that leaves ends the call to the upstream', async () => {
  const gate = Promise.withResolvers<void>();
  runtime.upstream.script({ pieces: ['Once', gate.promise, ' upon a time.'] });
  const before = runtime.upstream.abortedCount;
  const client = new AbortController();
  for await (const piece of alice.stream('Hi', { signal: client.signal })) {
    if (piece === 'Once') client.abort();
  }
  await until(() => runtime.upstream.abortedCount === before + 1, 'the upstream is left');
  gate.resolve();
});

test('law 16: the error for a key that the upstream refuses puts no runtime into a cool-down', async () => {
  const { bob, upstream } = runtime;
  const id = await bob.converse();
  upstream.script({ status: 401, message: 'Incorrect API key provided.' });
  expect(await bob.say(id, 'Hello?')).toMatchObject({
    status: 'failed',
    failure: { code: 'runner_error', message: expect.stringContaining('refused the credentials in Settings') },
  });
  expect(await bob.say(id, 'And now?')).toMatchObject({ status: 'done', content: 'Hello from upstream.' });
});

test('a runner that was killed starts again on its home, since its host name stays', async () => {
  const { platform, context } = runtime.router;
  const before = spec()?.hostname;
  expect(before).toMatch(/^[a-z0-9-]{1,63}$/);
  platform.crash(spec()?.id ?? '', { exitCode: 137, outOfMemory: true });
  await until(() => !context.runners.isWarm(alice.agentId), 'the router knows');
  expect((await ask()).choices[0]?.message.content).toBe('Hello from upstream.');
  expect(spec()?.hostname).toBe(before);
});
