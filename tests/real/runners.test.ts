/** Runners as real processes: one per agent for any number of requests, stopped when idle, started again on demand. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';
import { backendsThatWait, holdStarts } from '../support/starts';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

async function ask(who: Browser, content: string, model = 'demo'): Promise<{ status: number; text: string }> {
  const body = { model, messages: [{ role: 'user', content }] };
  const answer = await who.request('/v1/chat/completions', { method: 'POST', body });
  const { choices, error } = (await answer.json()) as {
    choices?: { message: { content: string } }[];
    error?: { message: string };
  };
  return { status: answer.status, text: choices?.[0]?.message.content ?? error?.message ?? '' };
}

/** How often the router has logged an event. */
function logged(router: RouterProcess, event: string): number {
  return router.output().split(`"event":"${event}"`).length - 1;
}

test('law 1: a hundred parallel first messages make one runner process per agent', async () => {
  await using router = await startRouterProcess();
  const [alice, bob] = await Promise.all([router.signIn(PEOPLE.alice), router.signIn(PEOPLE.bob)]);
  const asked = Array.from({ length: 100 }, (_, index) => ask(index % 2 ? alice : bob, `echo ${index}`));
  const answers = await Promise.all(asked);
  expect(answers).toEqual(answers.map((_, index) => ({ status: 200, text: String(index) })));
  expect(logged(router, 'runner.started')).toBe(2);
  const agents = (await router.runners()).map(({ mark }) => mark.labels['agent-stack.agent']);
  expect(agents).toHaveLength(2);
  expect(new Set(agents).size).toBe(2);
});

test('law 4: an idle runner is stopped, one that writes an answer is not, and the next message starts one', async () => {
  await using router = await startRouterProcess({
    env: { MIN_IDLE_SECONDS: '1', DEFAULT_IDLE_SECONDS: '1', REAPER_INTERVAL_SECONDS: '0.1' },
  });
  const alice = await router.signIn();
  // Silent for longer than the idle time: only the lease keeps the runner.
  expect(await ask(alice, 'silent 2')).toEqual({ status: 200, text: 'I was silent for 2 seconds.' });
  expect(logged(router, 'runner.stopped')).toBe(0);
  const [first] = await router.runners();
  expect(first).toBeDefined();

  await until(() => logged(router, 'runner.stopped') === 1, 'the idle runner is stopped');
  expect(await router.runners()).toEqual([]);
  expect(await ask(alice, 'echo awake')).toEqual({ status: 200, text: 'awake' });
  const [second] = await router.runners();
  expect(second?.mark.life).not.toBe(first?.mark.life);
});

test('a client that leaves while its agent starts is no error in the log', async () => {
  await using starts = await holdStarts();
  await starts.hold();
  await using router = await startRouterProcess({
    backends: await backendsThatWait(starts),
    env: { LOG_LEVEL: 'debug' },
  });
  const alice = await router.signIn();
  const client = new AbortController();
  const left = alice.request('/api/runners/demo/start', { method: 'POST', signal: client.signal });
  await until(async () => (await router.runners()).length === 1, 'it is starting');
  client.abort();
  expect(await left.catch(({ name }) => name)).toBe('AbortError');
  await until(() => logged(router, 'request.left') === 1, 'the log says who left');
  // The start goes on, for whoever comes next.
  await starts.release();
  await until(() => logged(router, 'runner.started') === 1, 'it has started');
  expect(logged(router, 'request.failed')).toBe(0);
  expect(router.output()).not.toContain('"level":"error"');
});

test('LLM_* in the environment of the router is never read', async () => {
  const env = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-of-the-environment', LLM_MODEL: 'of-the-env' };
  await using router = await startRouterProcess({ env });
  const alice = await router.signIn();
  const refused = await ask(alice, 'hi', 'direct');
  expect(refused.status).toBe(422);
  expect(refused.text).toContain('LLM_BASE_URL, LLM_API_KEY, LLM_MODEL');
  await ask(alice, 'echo hi');
  const [runner] = await router.runners();
  const environment = await Bun.file(`/proc/${runner?.leader?.pid}/environ`).text();
  expect(environment).toContain('AGENT_STACK_RUNNER=');
  for (const value of Object.values(env)) expect(environment).not.toContain(value);
});
