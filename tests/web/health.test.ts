import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import journal from '../../router/database/migrations/meta/_journal.json';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';

interface Health {
  readonly backends: string[];
  readonly backends_problem?: string;
}

test('a second router on the same data does not start, and the first goes on undisturbed', async () => {
  const runner = scripted('system');
  await using router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const answer = alice.request('/v1/chat/completions', {
    method: 'POST',
    body: { model: 'scribe', stream: true, messages: [{ role: 'user', content: 'hi' }] },
  });
  const asked = await runner.next();
  const second = startRouter({ dataRoot: router.dataRoot });
  expect(second).rejects.toThrow(`Another router uses ${join(router.dataRoot, 'router.db')}`);
  await second.catch(() => undefined);
  asked.say('still here');
  asked.finish();
  expect(await (await answer).text()).toContain('still here');
}, 60_000);

test('law 19: an answer ends in the database although another process locks it for a while', async () => {
  const runner = scripted('held');
  await using router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const backend = router.context.backends.find('scribe');
  if (!backend) throw new Error('No backend');
  const agent = await router.context.agents.defaultOf(alice.id, backend);
  const body = new URLSearchParams({ text: 'hello' });
  const started = await alice.request(`/agents/${agent.id}/conversations`, { method: 'POST', body });
  const id = started.headers.get('location')?.split('/').at(-1) ?? '';
  const last = async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0];
  const answer = await runner.next();
  answer.say('all of it');
  await until(async () => (await last())?.content === 'all of it', 'the text is saved');

  using other = new Database(join(router.dataRoot, 'router.db'));
  other.run('BEGIN IMMEDIATE');
  answer.finish();
  await until(() => router.context.runners.status(agent.id).leases === 0, 'the runner is done');
  expect((await last())?.status).toBe('streaming');
  other.run('COMMIT');
  expect(await until(async () => ((await last())?.status === 'done' ? last() : undefined), 'it is done')).toMatchObject(
    {
      content: 'all of it',
    },
  );
}, 60_000);

test('a backends.json that went wrong is shown on /healthz, and the old one goes on serving', async () => {
  await using router = await startRouter();
  const health = async () => (await (await router.request('/healthz')).json()) as Health;
  expect((await health()).backends_problem).toBeUndefined();
  await router.writeBackends('[{"name": "echo", "internal_port": 0}]');
  // The router may read a half-written file, which is another problem for a moment.
  const isShown = async () =>
    (await health()).backends_problem?.includes('backends.json/0/internal_port: expected integer') === true;
  await until(isShown, 'the problem is shown');
  expect((await health()).backends).toEqual(['echo']);
  await router.writeBackends([memoryBackend('echo'), memoryBackend('echo-two')]);
  await until(async () => (await health()).backends.length === 2, 'the good file is served');
  expect((await health()).backends_problem).toBeUndefined();
});

test('HOST_STACK_ROOT is where a home lies for the platform', async () => {
  await using router = await startRouter({ env: { HOST_STACK_ROOT: '/srv/agents' } });
  const alice = await router.person(PEOPLE.alice);
  await alice.request('/api/runners/echo/start', { method: 'POST' });
  const [runner] = [...router.platform.runners.values()];
  const agentId = runner?.spec.labels['agent-stack.agent'];
  expect(runner?.spec.home).toMatchObject({
    source: join(router.dataRoot, 'homes', agentId ?? ''),
    hostSource: `/srv/agents/homes/${agentId}`,
  });
});

test('a body over the limit is refused at every door before it is read', async () => {
  await using router = await startRouter({ env: { MAX_BODY_BYTES: '2000' } });
  for (const path of ['/auth/login', '/sign-in', '/v1/chat/completions', '/settings/keys']) {
    const response = await fetch(router.url + path, { method: 'POST', body: 'x'.repeat(3000) });
    expect([path, response.status]).toEqual([path, 413]);
  }
});

test('a database with another ENCRYPTION_KEY is reported at start', async () => {
  const first = await startRouter();
  await first.stop();
  const again = startRouter({ dataRoot: first.dataRoot, env: { ENCRYPTION_KEY: '11'.repeat(32) } });
  await expect(again).rejects.toThrow('ENCRYPTION_KEY is not the one');
  await using _ = await startRouter({ dataRoot: first.dataRoot });
});

interface Readiness {
  readonly ready: boolean;
  readonly checks: { readonly database: string; readonly drivers: Record<string, string> };
  readonly migration: string;
}

test('/readyz is 200 when the database can be written and every driver answers, and names the newest migration', async () => {
  await using router = await startRouter();
  const ready = await router.request('/readyz');
  expect(ready.status).toBe(200);
  const { migration, ...rest } = (await ready.json()) as Readiness;
  expect(rest).toEqual({ ready: true, checks: { database: 'ok', drivers: { memory: 'ok' } } });
  expect(migration).toBe(journal.entries.at(-1)?.tag ?? '');
});

test('/readyz is 503 and says why while another program locks the database; /healthz stays 200', async () => {
  await using router = await startRouter();
  using other = new Database(join(router.dataRoot, 'router.db'));
  other.run('BEGIN IMMEDIATE');
  const ready = await router.request('/readyz');
  expect(ready.status).toBe(503);
  expect(((await ready.json()) as Readiness).checks.database).toStartWith(
    'It cannot be written: another program holds its lock.',
  );
  expect((await router.request('/healthz')).status).toBe(200);
  other.run('COMMIT');
});

test('a request that cannot be saved because another program locks the database says so, and is taken later', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  using other = new Database(join(router.dataRoot, 'router.db'));
  const makeKey = () =>
    alice.request('/settings/keys', {
      ...{ method: 'POST', headers: { accept: 'application/json' } },
      body: new URLSearchParams({ name: 'mine' }),
    });
  other.run('BEGIN IMMEDIATE');
  const refused = await makeKey();
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({
    code: 'storage_failed',
    detail: "The router's database cannot be used: another program holds its lock.",
    hint: expect.stringContaining('End that program'),
  });
  other.run('COMMIT');
  expect((await makeKey()).status).toBeLessThan(400);
});

test('/readyz is 503 and names the driver that could not be loaded', async () => {
  const env = { DRIVER_OPTIONS: '{"kubernetes":{}}' };
  await using router = await startRouter({ env });
  const ready = await router.request('/readyz');
  expect(ready.status).toBe(503);
  expect(((await ready.json()) as Readiness).checks.drivers).toEqual({
    memory: 'ok',
    kubernetes: 'DRIVER_OPTIONS names it, but there is no such driver',
  });
});
