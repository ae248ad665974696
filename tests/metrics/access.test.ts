/** Metrics: who may read them, and that they identify nobody. */
import { expect, test } from 'bun:test';
import { networkInterfaces } from 'node:os';
import { internalApp } from '../../router/app';
import { LLM, startBroker } from '../support/broker';
import { leaksIn } from '../support/leaks';
import { parseMetrics, scrape } from '../support/metrics';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { start, stop } from '../support/runners';
import { scriptedRunner } from '../support/scripted-runner';

test('a runner may not read them, with its key, an ended one, or one that never was', async () => {
  const runner = scriptedRunner('metrics-reader');
  const backends = [memoryBackend('echo', { user_overridable_env: LLM }, runner.program)];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  const values = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-upstream', LLM_MODEL: 'm' };
  await alice.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  await start(alice);
  const key = runner.specs[0]?.env.LLM_API_KEY ?? '';
  const access = router.context.runners.running()[0]?.runner.accessKey ?? '';
  const read = (authorization: string) => fetch(`${router.internalUrl}/metrics`, { headers: { authorization } });
  expect([key.slice(0, 3), access.slice(0, 3)]).toEqual(['rk-', 'ak-']);
  for (const shown of [`Bearer ${key}`, `bearer ${key}`, `Bearer ${access}`]) {
    const response = await read(shown);
    expect([shown, response.status]).toEqual([shown, 403]);
    expect(await response.json()).toMatchObject({ status: 403, code: 'forbidden', request_id: expect.any(String) });
  }
  await stop(alice);
  expect((await read(`Bearer ${key}`)).status).toBe(403);
  // Credentials that a collector sends to a proxy are ignored by the router.
  for (const shown of ['Basic Y29sbGVjdG9yOnBhc3N3b3Jk', 'Bearer of-the-proxy']) {
    expect([shown, (await read(shown)).status]).toEqual([shown, 200]);
  }
});

test('requests from other addresses than loopback may not read them', async () => {
  await using router = await startRouter();
  const app = internalApp(router.context).listen({ hostname: '0.0.0.0', port: 0 });
  const at = (host: string) => fetch(`http://${host}:${app.server?.port}/metrics`);
  expect((await at('127.0.0.1')).status).toBe(200);
  const others = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  );
  for (const address of others) expect([address, (await at(address)).status]).toEqual([address, 403]);
  // A request without a known origin.
  expect((await app.handle(new Request('http://127.0.0.1/metrics'))).status).toBe(403);
  await app.stop(true);
});

test('the public listener has no metrics, and a page cannot reach them through a host name of its own', async () => {
  await using router = await startRouter({ env: { ALLOWED_HOSTS: 'stack.example.org' } });
  const alice = await router.person(PEOPLE.alice);
  for (const who of [router, alice]) expect((await who.request('/metrics')).status).toBe(404);
  const as = (host: string) => fetch(`${router.internalUrl}/metrics`, { headers: { host } });
  expect((await as('rebound.example')).status).toBe(421);
  for (const host of ['localhost', 'stack.example.org']) expect([host, (await as(host)).status]).toEqual([host, 200]);
  // A page of another site may send a request here, but may not read the answer.
  const response = await fetch(`${router.internalUrl}/metrics`, { headers: { origin: 'https://evil.example' } });
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
});

test('metrics identify nobody: no name, address, id or key, and no label that could hold one', async () => {
  await using bench = await startBroker('metrics-privacy');
  const { router, upstream, alice, runner } = bench;
  await (await bench.complete()).json();
  const key = await alice.createKey('the laptop');
  const body = JSON.stringify({ model: 'agent', messages: [{ role: 'user', content: 'hi' }] });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  await (await fetch(`${router.url}/v1/chat/completions`, { method: 'POST', headers, body })).text();
  const { text } = await scrape(router);
  const [live] = router.context.runners.running();
  if (!live) throw new Error('No runner');
  const env = runner.specs.at(-1)?.env ?? {};
  const names = [alice.id, live.agent.id, live.runner.id, router.context.installationId];
  const told = [...names, PEOPLE.alice.email, 'the laptop', 'alices-model', upstream.url, live.runner.url];
  expect(told.filter((one) => text.includes(one))).toEqual([]);
  const secrets = [key, upstream.key, live.runner.accessKey, env.LLM_API_KEY ?? '', alice.cookie.split('=')[1] ?? ''];
  expect(secrets.filter((one) => one.length < 10)).toEqual([]);
  expect(leaksIn('the metrics', text, secrets)).toEqual([]);
  const labels = parseMetrics(text).flatMap(({ series }) => series.flatMap((one) => Object.keys(one.labels)));
  const known = ['backend', 'bun', 'cause', 'code', 'driver', 'ending', 'kind', 'le', 'outcome', 'stage', 'state'];
  expect([...new Set(labels)].sort()).toEqual([...known, 'status', 'version']);
});
