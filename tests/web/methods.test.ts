/** Methods that an address does not have. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ADMIN, type Person, startRouter, type TestRouter } from '../support/router';

let router: TestRouter;
let admin: Person;
beforeAll(async () => {
  router = await startRouter();
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

const allowed = (response: Response) => (response.headers.get('allow') ?? '').split(', ');

test('each address says which methods it has to whom asks with another one', async () => {
  const routes = router.routes.public.map((route) => route.split(' ') as [string, string]);
  const special = routes.filter(([method]) => method !== 'ALL' && method !== 'OPTIONS');
  expect(special.length).toBeGreaterThan(100);
  for (const [method, pattern] of special) {
    const path = pattern.replace(/:\w+|\*/g, 'x');
    const response = await admin.request(path, { method: 'OPTIONS' });
    expect([path, response.status]).toEqual([path, 405]);
    expect([path, ...allowed(response)]).toContain(method);
  }
});

test('a path that is not there is not found, whatever the method', async () => {
  for (const method of ['GET', 'OPTIONS', 'PUT', 'DELETE']) {
    for (const path of ['/api/nothing', '/api/agents/x/nothing', '/nothing', '/api/rooms', '//']) {
      const { status, headers } = await admin.request(path, { method });
      expect([method, path, status, headers.get('allow')]).toEqual([method, path, 404, null]);
    }
  }
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('the list of models is only read, and takes no %s', async (method) => {
  for (const path of ['/v1/models', '/v1/models/echo']) {
    const response = await admin.request(path, { method, body: method === 'OPTIONS' ? undefined : { model: 'echo' } });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code, allowed(response)]).toEqual([405, 'method_not_allowed', ['GET', 'HEAD']]);
    expect(error.message).toBe(`Send a GET to ${path}.`);
  }
});

test('the address of a form leads who opens it to the page that the form is on', async () => {
  const visit = { accept: 'text/html,application/xhtml+xml' };
  const open = (path: string, headers: Record<string, string> = visit) => admin.request(path, { headers });
  for (const [path, page] of [
    ['/settings/keys', '/settings'],
    ['/sign-out', '/'],
    ['/agents/x/runner/stop', '/agents/x/runner'],
    ['/agents/x/settings/instructions', '/agents/x/settings'],
    ['/schedules/x/run', '/schedules/x'],
    ['/conversations/x/messages', '/conversations/x'],
  ] as const) {
    const { status, headers } = await open(path);
    expect([path, status, headers.get('location')]).toEqual([path, 303, page]);
  }
  expect((await open('/api/me/password')).status).toBe(405);
  expect((await open('/settings/keys', {})).status).toBe(405);
  expect((await open('/settings/keys', { ...visit, 'hx-request': 'true' })).status).toBe(405);
});
