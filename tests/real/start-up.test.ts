/** What is loaded late is there for the first who needs it. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from '../../scripts/build';
import { NO_ENGINE, type RouterProcess, startRouterProcess } from '../support/process';
import { until } from '../support/router';
import { newestAnswer, startConversation } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

interface Health {
  readonly driver_problems?: Record<string, string>;
}

/** What the router says first after a restart. */
async function firstHealth(router: RouterProcess): Promise<Health> {
  await router.kill('SIGTERM');
  const started = router.start();
  const first = await until(
    async () => (await fetch(`${router.url}/healthz`).catch(() => undefined))?.json() as Promise<Health> | undefined,
    'the router answers',
  );
  await started;
  return first;
}

test('the first page after a restart has its code in colours', async () => {
  await using router = await startRouterProcess();
  const alice = await router.signIn();
  const path = await startConversation(alice, 'Demo', 'markdown');
  await until(async () => (await newestAnswer(alice, path)).status === 'done', 'it is answered');
  await router.kill('SIGTERM');
  await router.start();
  expect((await newestAnswer(alice, path)).html).toContain('class="hljs-');
  await alice.request('/api/runners/demo', { method: 'DELETE' });
});

test('what signs people in through an OpenID Connect provider is not read at start', async () => {
  const main = await build(join(import.meta.dir, '../..'));
  const ofLibrary = 'authorizationCodeGrantRequest';
  expect(await Bun.file(main).text()).not.toContain(ofLibrary);
  expect(await Bun.file(join(dirname(main), 'openid-client.js')).text()).toContain(ofLibrary);
});

test('the first answer of /healthz reports a missing engine, and no problem of a present one', async () => {
  await using router = await startRouterProcess();
  const said = `The engine does not answer: connect ENOENT ${NO_ENGINE.replace('unix://', '')}.`;
  expect((await firstHealth(router)).driver_problems).toEqual({ docker: said });

  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-engine-'));
  const socket = join(folder, 'docker.sock');
  // As little of an engine as a router needs to begin: it has no containers.
  await using _engine = Bun.serve({
    unix: socket,
    routes: { '/_ping': new Response('OK'), '/containers/json': Response.json([]) },
    fetch: () => Response.json({ message: 'not here' }, { status: 404 }),
  });
  await using other = await startRouterProcess({ env: { DOCKER_HOST: `unix://${socket}` } });
  expect((await firstHealth(other)).driver_problems).toBeUndefined();
  await rm(folder, { recursive: true });
});
