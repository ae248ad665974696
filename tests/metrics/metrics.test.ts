/** Metrics: events are counted, in a format that every collector reads. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import pkg from '../../package.json';
import { repositoryRoot } from '../../router/config/root';
import { startBroker } from '../support/broker';
import { count, counted, parseMetrics, scrape } from '../support/metrics';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { say } from '../support/runners';
import { scripted } from '../support/scripted';
import { chunk, pipe, Reading, scriptedRunner } from '../support/scripted-runner';
import { readSources } from '../support/sources';

const backend = 'echo';
const relayed = (router: TestRouter, ending: string, status: string, value: number) =>
  counted(router, 'relayed_requests_total', { backend, ending, status }, value);
const post = (more: object = {}): RequestInit => ({
  method: 'POST',
  body: JSON.stringify({ model: backend, messages: [{ role: 'user', content: 'hi' }], ...more }),
});

async function ask(router: TestRouter, key: string, more: object = {}, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return fetch(`${router.url}/v1/chat/completions`, { ...post(more), headers, ...init });
}

test('a collector reads the text format: each family once, with words, a type and the prefix or a name of the field', async () => {
  await using router = await startRouter({ backends: [memoryBackend(backend), memoryBackend('other')] });
  const { families, value } = await scrape(router);
  expect(families.length).toBeGreaterThan(20);
  expect(families.map(({ name }) => name).filter((name) => !/^(agent_stack|process)_[a-z_]+$/.test(name))).toEqual([]);
  expect(families.filter(({ help }) => !/^[A-Z].+\.$/.test(help))).toEqual([]);
  const units = families.filter(({ type }) => type === 'histogram').map(({ name }) => name);
  expect(units.filter((name) => !name.endsWith('_seconds'))).toEqual([]);
  // A counter of an event that has not happened is 0, so that the first event is an increase.
  for (const one of [backend, 'other']) {
    expect(value('agent_stack_relayed_requests_total', { backend: one, ending: 'done', status: '2xx' })).toBe(0);
    expect(value('agent_stack_runner_starts_total', { backend: one, outcome: 'failed', code: 'start_timeout' })).toBe(
      0,
    );
  }
});

test('the reader of these tests refuses what is not the format', () => {
  const head = '# HELP a_total A.\n# TYPE a_total counter\n';
  expect(parseMetrics(`${head}a_total{x="y\\"z",w=""} 1\n`)[0]?.series[0]?.labels).toEqual({ x: 'y"z', w: '' });
  const wrong = [
    `${head}a_total 1`,
    `${head}b_total 1\n`,
    `${head}a_total{x="1} 1\n`,
    `${head}a_total{x="1",} 1\n`,
    `${head}a_total one\n`,
    `${head}a_total 1\na_total 2\n`,
    `${head}\n${head}`,
    'a_total 1\n',
    '# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le="1"} 2\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 1\n',
  ];
  for (const text of wrong) expect(() => parseMetrics(text)).toThrow();
});

test('requests are counted by how they end, with their times: done, refused, failed and stopped', async () => {
  const runner = scriptedRunner('metrics-endings');
  await using router = await startRouter({ backends: [memoryBackend(backend, {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const key = await alice.createKey();
  await (await ask(router, key)).text();
  await relayed(router, 'done', '2xx', 1);
  runner.reply = () => Response.json({ error: { message: 'no' } }, { status: 418 });
  await (await ask(router, key)).text();
  await relayed(router, 'done', '4xx', 1);

  const cut = pipe();
  cut.write(chunk('begun'));
  runner.reply = () => cut.response();
  const reading = new Reading(await ask(router, key, { stream: true }));
  await reading.until('begun');
  cut.cut();
  await reading.end();
  await relayed(router, 'failed', '2xx', 1);

  const left = pipe();
  left.write(chunk('begun'));
  runner.reply = () => left.response();
  const client = new AbortController();
  const partly = new Reading(await ask(router, key, { stream: true }, { signal: client.signal }));
  await partly.until('begun');
  client.abort();
  await relayed(router, 'stopped', '2xx', 1);

  // A client that disconnected before the answer got no status.
  runner.reply = () => new Promise(() => undefined);
  const early = new AbortController();
  const never = ask(router, key, {}, { signal: early.signal }).catch(() => undefined);
  await runner.request(5);
  early.abort();
  await never;
  await relayed(router, 'stopped', 'none', 1);

  const { value } = await scrape(router);
  expect(value('agent_stack_relay_duration_seconds_count', { backend })).toBe(5);
  expect(value('agent_stack_relay_first_byte_seconds_count', { backend })).toBe(4);
  expect(value('agent_stack_relay_duration_seconds_sum', { backend })).toBeGreaterThan(
    value('agent_stack_relay_first_byte_seconds_sum', { backend }),
  );
});

test('an agent that cannot be started is a failed request with the status of the error, and a failed start with its code', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  router.platform.fail('start', 'start_failed');
  expect((await say(alice, 'hi')).status).toBe(502);
  await relayed(router, 'failed', '5xx', 1);
  const failed = { backend, outcome: 'failed', code: 'runner_failed' };
  expect(await count(router, 'runner_starts_total', failed)).toBe(1);
  // A remembered failure is no start.
  expect((await say(alice, 'hi')).status).toBe(502);
  await relayed(router, 'failed', '5xx', 2);
  expect(await count(router, 'runner_starts_total', failed)).toBe(1);
  expect(await count(router, 'runners', { backend, state: 'failed' })).toBe(1);
  expect(await count(router, 'runner_start_duration_seconds_count', { backend })).toBe(0);
});

test('answers of the chat count as those of /v1 do, and what is open and written now is shown while it is', async () => {
  const runner = scripted('metrics-chat');
  await using router = await startRouter({ backends: [memoryBackend(backend, {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const found = router.context.backends.find(backend);
  if (!found) throw new Error('No backend');
  const agent = await router.context.agents.defaultOf(alice.id, found);
  const body = new URLSearchParams({ text: 'hello' });
  await alice.request(`/agents/${agent.id}/conversations`, { method: 'POST', body });
  const written = await runner.next();
  written.say('some');
  expect([await count(router, 'live_generations'), await count(router, 'open_streams')]).toEqual([1, 0]);
  const asked = alice.request('/v1/chat/completions', post({ stream: true }));
  const other = await runner.next();
  expect([await count(router, 'live_generations'), await count(router, 'open_streams')]).toEqual([1, 1]);
  written.finish();
  other.finish();
  await (await asked).text();
  await relayed(router, 'done', '2xx', 2);
  await until(async () => (await count(router, 'live_generations')) === 0, 'it is written');
  expect(await count(router, 'open_streams')).toBe(0);
  expect(await count(router, 'relay_first_byte_seconds_count', { backend })).toBe(2);
});

test('calls of runners are counted by the status that they got, and tokens by kind', async () => {
  await using bench = await startBroker('metrics-broker');
  const { router, upstream } = bench;
  const calls = (ending: string, status: string, value: number) =>
    counted(router, 'broker_calls_total', { backend: 'agent', ending, status }, value);
  await (await bench.complete()).json();
  await calls('done', '2xx', 1);
  await (await bench.complete({ stream: true })).text();
  await calls('done', '2xx', 2);
  upstream.script({ status: 400, message: 'no' });
  await (await bench.complete()).text();
  await calls('failed', '4xx', 1);
  const { value } = await scrape(router);
  expect(value('agent_stack_tokens_total', { backend: 'agent', kind: 'prompt' })).toBe(22);
  expect(value('agent_stack_tokens_total', { backend: 'agent', kind: 'completion' })).toBe(14);
  expect(value('agent_stack_broker_duration_seconds_count', { backend: 'agent' })).toBe(3);
  expect(value('agent_stack_broker_first_byte_seconds_count', { backend: 'agent' })).toBe(2);
});

test('sign-ins are counted by how they end', async () => {
  await using router = await startRouter();
  await router.person(PEOPLE.alice);
  const tries = () =>
    Promise.all(
      ['ok', 'wrong_credentials', 'too_many_requests'].map((outcome) => count(router, 'sign_ins_total', { outcome })),
    );
  const [ok = 0, wrong = 0] = await tries();
  const { email, password } = PEOPLE.alice;
  const signIn = (path: string, word: string) =>
    router.request(path, { method: 'POST', body: new URLSearchParams({ email, password: word }) });
  await signIn('/sign-in', password);
  await signIn('/auth/login', 'not her password');
  expect(await tries()).toEqual([ok + 1, wrong + 1, 0]);
  const attempts = Array.from({ length: 11 }, () => signIn('/sign-in', 'a guess'));
  await Promise.all(attempts);
  expect((await tries())[2]).toBeGreaterThan(0);
});

test('the process is measured: its time, memory, age and version, and how late its loop is', async () => {
  await using router = await startRouter();
  const { value } = await scrape(router);
  expect(value('agent_stack_build_info', { version: pkg.version, bun: Bun.version })).toBe(1);
  expect(value('process_resident_memory_bytes')).toBeWithin(10_000_000, 10_000_000_000);
  expect(value('process_start_time_seconds')).toBeWithin(Date.now() / 1000 - 3600, Date.now() / 1000 + 1);
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
  await counted(router, 'event_loop_lag_seconds_count', {}, 1);
});

test('docs/metrics.md lists every family with its labels, and no other', async () => {
  await using router = await startRouter();
  const { families } = await scrape(router);
  const labelsOf = ({ series }: (typeof families)[number]) =>
    [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))].filter((label) => label !== 'le');
  const page = await Bun.file(join(repositoryRoot, 'docs/metrics.md')).text();
  const rows = [...page.matchAll(/^\| `(\w+)` \|([ `\w]*)\|/gm)];
  const listed = rows.map(([, name = '', labels = '']) => [name, [...labels.matchAll(/\w+/g)].join(' ')]);
  expect(listed).toEqual(families.map((family) => [family.name, labelsOf(family).join(' ')]));
});

test('the code that writes the text is loaded when it is first needed', async () => {
  const users = (await readSources(['router'])).filter(({ text }) => text.includes("'prom-client'"));
  expect(users.map(({ path }) => path)).toEqual(['router/metrics/prometheus.ts']);
  expect(users.filter(({ code }) => !code.includes('import("prom-client")'))).toEqual([]);
});
