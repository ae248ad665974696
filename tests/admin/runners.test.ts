/** The administrator's view of all runners: listed, read, stopped and restarted, and nothing of it for anybody else. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import {
  ADMIN,
  form,
  memoryBackend,
  PEOPLE,
  type Person,
  startRouter,
  type TestRouter,
  until,
} from '../support/router';
import { watchStream } from '../support/watch';

/** Ends only a test that has failed. */
setDefaultTimeout(120_000);

let router: TestRouter;
let admin: Person;
let alice: Person;
let agentId = '';

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', { container_prefix: 'team' })] });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

async function wake(): Promise<void> {
  expect((await alice.request('/api/runners/echo/start', { method: 'POST' })).status).toBe(200);
  agentId = router.context.runners.running()[0]?.agent.id ?? '';
}
const state = () => router.context.runners.status(agentId).state;
const audited = async (action: string) => (await admin.request(`/api/admin/audit?action=${action}`)).json();

test('the API has the members of the predecessor, without the secret of the runner', async () => {
  await wake();
  const { runners, has_more } = await (await admin.request('/api/admin/runners')).json();
  expect(has_more).toBe(false);
  expect(runners).toEqual([
    {
      ...{ user_id: alice.id, agent_id: agentId, backend: 'echo', state: 'running', stale: false },
      ...{ container_name: expect.stringMatching(/^team-/), host_port: expect.any(Number) },
      ...{ started_at: expect.any(Number), last_active: expect.any(Number), idle_for_seconds: expect.any(Number) },
      ...{ requests: 0, calls: 0, cpu_percent: null, memory_bytes: null },
    },
  ]);
  expect(JSON.stringify(runners)).not.toContain(router.context.runners.running()[0]?.runner.accessKey ?? '-');
});

test('the page shows whose runner it is', async () => {
  await wake();
  const text = await (await admin.request('/admin/runners')).text();
  expect(text).toContain(PEOPLE.alice.email);
});

test('why a runner could not start is shown with what may help, and without what it said', async () => {
  const own = { driver: 'process', trusted: true };
  const backends = [
    { name: 'lost', ...own, cmd: ['/nowhere/agent'] },
    { name: 'loud', ...own, cmd: [process.execPath, '-e', 'console.error("words of a user"); process.exit(3)'] },
  ];
  await using broken = await startRouter({ backends });
  const bob = await broken.person(PEOPLE.bob);
  for (const { name } of backends) await bob.request(`/api/runners/${name}/start`, { method: 'POST' });
  const page = await (await (await broken.person(ADMIN)).request('/admin/runners')).text();
  expect(page).toContain('Is the program installed, executable, and on the PATH of the driver?');
  expect(page).toContain('it ended with exit code 3.');
  expect(page).not.toContain('words of a user');
});

test('reading the output of a runner is audited once for a page and its stream, and for a stream without its page', async () => {
  await wake();
  const follow = async ({ cookie }: Person) => {
    await using stream = await watchStream(`${router.url}/admin/live?on=runner&agent=${agentId}`, { cookie });
    await stream.saw('runner-head');
  };
  expect((await admin.request(`/admin/runners/${agentId}`)).status).toBe(200);
  await follow(admin);
  await follow(admin);
  await follow(await router.person(ADMIN));
  const { events } = await audited('runner.log_read');
  expect(events.map(({ actor, target }: { actor: string; target: string }) => [actor, target])).toEqual([
    [ADMIN.email, PEOPLE.alice.email],
    [ADMIN.email, PEOPLE.alice.email],
  ]);
});

test('a runner is restarted and stopped by the page, and stopped by the API of the predecessor', async () => {
  await wake();
  expect((await admin.request(`/admin/runners/${agentId}/restart`, form({}))).status).toBe(303);
  await until(() => state() === 'running', 'the runner is up again');
  expect((await admin.request(`/admin/runners/${agentId}/stop`, form({}))).status).toBe(303);
  expect(state()).toBe('stopped');
  expect((await admin.request(`/admin/runners/${agentId}`)).status).toBe(404);
  await wake();
  const path = `/api/admin/runners/${alice.id}/echo`;
  expect(await (await admin.request(path, { method: 'DELETE' })).json()).toEqual({ stopped: true });
  expect(await (await admin.request(path, { method: 'DELETE' })).json()).toEqual({ stopped: false });
  expect(await (await admin.request('/api/admin/runners/nobody/echo', { method: 'DELETE' })).json()).toEqual({
    stopped: false,
  });
  expect((await audited('runner.stopped')).events.length).toBe(3);
});

test('another user sees and stops none of them', async () => {
  await wake();
  const { request } = await router.person(PEOPLE.mallory);
  const statuses = await Promise.all([
    request('/admin/overview'),
    request('/api/admin/overview'),
    request('/admin/live?on=overview'),
    request(`/admin/live?on=runner&agent=${agentId}`),
    request('/admin/runners'),
    request(`/admin/runners/${agentId}`),
    request(`/admin/runners/${agentId}/stop`, form({})),
    request(`/admin/runners/${agentId}/restart`, form({})),
    request('/api/admin/runners'),
    request(`/api/admin/runners/${alice.id}/echo`, { method: 'DELETE' }),
  ]);
  expect(statuses.map(({ status }) => status)).toEqual(statuses.map(() => 403));
  expect(state()).toBe('running');
});
