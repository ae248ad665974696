/** Containers through the whole router: the demo and the direct agent, each in an image that contains only Bun. */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containedBackend } from '../support/contained';
import { docker, removeInstallation, requireEngine } from '../support/engine';
import { testImage } from '../support/image';
import { PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { startUpstream } from '../support/upstream';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const REAL_KEY = 'sk-real-key-of-the-owner-0123456789';
const isThere = await requireEngine('containers through the router');
const seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
const dataRoots = new Set<string>();
const installations = new Set<string>();
afterAll(async () => {
  for (const id of installations) await removeInstallation(id);
  for (const folder of [seeds, ...dataRoots]) await rm(folder, { recursive: true, force: true });
});

async function start(options: { dataRoot?: string } = {}): Promise<TestRouter> {
  const image = await testImage();
  const upstreamEnv = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
  const backends = [
    await containedBackend('demo', { image, seeds }),
    {
      ...(await containedBackend('direct', { image, seeds })),
      ...{ user_overridable_env: upstreamEnv, driver_options: { network: 'sealed' } },
    },
  ];
  const router = await startRouter({ backends, env: { SEEDS_ROOT: seeds }, ...options });
  installations.add(router.context.installationId);
  dataRoots.add(router.dataRoot);
  return router;
}

async function ask(who: Person, content: string, model = 'demo'): Promise<string> {
  const body = { model, messages: [{ role: 'user', content }] };
  const answer = await who.request('/v1/chat/completions', { method: 'POST', body });
  const text = await answer.text();
  return answer.ok ? JSON.parse(text).choices[0].message.content : `${answer.status} ${text}`;
}

async function containers(router: TestRouter) {
  const label = [`agent-stack.installation=${router.context.installationId}`];
  return docker.listContainers({ all: true, filters: { label } });
}

describe.skipIf(!isThere)('containers through the router', () => {
  test('law 1: a hundred parallel first messages of one user make one container', async () => {
    await using router = await start();
    const alice = await router.person(PEOPLE.alice);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => ask(alice, `echo ${n}`)));
    expect(answers).toEqual(answers.map((_, n) => String(n)));
    expect(await containers(router)).toHaveLength(1);
  });

  test('law 5: a container that somebody removes is known at once, and the next message starts another', async () => {
    await using router = await start();
    const alice = await router.person(PEOPLE.alice);
    expect(await ask(alice, 'echo one')).toBe('one');
    const [first] = await containers(router);
    await docker.getContainer(first?.Id ?? '').remove({ force: true });
    await until(() => router.context.runners.running().length === 0, 'the router knows');
    expect(await ask(alice, 'echo two')).toBe('two');
    expect((await containers(router)).map(({ Id }) => Id)).not.toContain(first?.Id);
  });

  test('law 2: after a restart the same container answers, and none is left when it is stopped', async () => {
    const before = await start();
    const alice = await before.person(PEOPLE.alice);
    expect(await ask(alice, 'echo before')).toBe('before');
    const [container] = await containers(before);
    await before.stop();
    await using after = await start({ dataRoot: before.dataRoot });
    const again = await after.person(PEOPLE.alice);
    expect(await ask(again, 'echo after')).toBe('after');
    expect((await containers(after)).map(({ Id }) => Id)).toEqual([container?.Id ?? '']);
    expect((await again.request('/api/runners/demo', { method: 'DELETE' })).status).toBe(200);
    expect(await containers(after)).toEqual([]);
  });

  test('law 14: a sealed container reaches its model through the broker, and holds no upstream key', async () => {
    await using upstream = startUpstream({ key: REAL_KEY });
    await using router = await start();
    const alice = await router.person(PEOPLE.alice);
    const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: REAL_KEY, LLM_MODEL: 'a-model' };
    for (const [name, value] of Object.entries(values)) {
      await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    }
    upstream.script({ pieces: ['through the broker'] });
    expect(await ask(alice, 'hello', 'direct')).toBe('through the broker');
    const [container] = await containers(router);
    expect(JSON.stringify(await docker.getContainer(container?.Id ?? '').inspect())).not.toContain(REAL_KEY);
  });
});
