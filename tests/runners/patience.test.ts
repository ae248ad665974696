/** Requests that wait until a platform has stopped a runner. */
import { expect, spyOn, test } from 'bun:test';
import { ADMIN, form, memoryBackend, PEOPLE, startRouter, type TestInit } from '../support/router';
import { start } from '../support/runners';

const remove: TestInit = { method: 'DELETE' };
const put = (body: object): TestInit => ({ method: 'PUT', body });
const { password, name } = PEOPLE.alice;
const otherOnly = { runners: '', agents: '', backends: 'other' };

const ways: [who: 'alice' | 'admin', path: string, init: TestInit][] = [
  ['alice', '/api/runners/echo', remove],
  ['alice', '/api/agents/AGENT/runner', remove],
  ['alice', '/agents/AGENT/runner/stop', form()],
  ['alice', '/agents/AGENT/runner/restart', form()],
  ['alice', '/api/agents/AGENT', remove],
  ['alice', '/api/agents/AGENT/reset', { method: 'POST' }],
  ['alice', '/agents/AGENT/settings/reset', form({ typed: 'echo' })],
  ['alice', '/agents/AGENT/settings/delete', form({ typed: 'echo' })],
  ['alice', '/api/me', { method: 'DELETE', body: { password } }],
  ['alice', '/settings/you/delete', form({ password })],
  ['admin', '/admin/runners/AGENT/stop', form()],
  ['admin', '/admin/runners/AGENT/restart', form()],
  ['admin', '/api/admin/runners/USER/echo', remove],
  ['admin', '/api/admin/limits', put({ backends: ['other'] })],
  ['admin', '/api/admin/users/USER/limits', put({ backends: ['other'] })],
  ['admin', '/admin/limits', form(otherOnly)],
  ['admin', '/admin/users/USER/limits', form(otherOnly)],
  ['admin', '/api/admin/users/USER', { method: 'PATCH', body: { disabled: true } }],
  ['admin', '/api/admin/users/USER', remove],
  ['admin', '/api/admin/users/USER?purge=true', remove],
  ['admin', '/admin/users/USER/disable', form()],
  ['admin', '/admin/users/USER/delete', form({ typed: name })],
];

test.each(ways)('the connection of %s is kept while a platform takes its time: %s', async (who, way, init) => {
  await using router = await startRouter({ backends: [memoryBackend('echo'), memoryBackend('other')] });
  const alice = await router.person(PEOPLE.alice);
  const person = who === 'alice' ? alice : await router.person(ADMIN);
  await start(alice);
  const [agentId = ''] = router.context.runners.running().map(({ agent }) => agent.id);
  const path = way.replace('AGENT', agentId).replace('USER', alice.id);
  const seen: (number | string)[] = [];
  router.platform.intercept('stop', () => void seen.push('it stops'));
  using timeouts = spyOn(router.listener, 'timeout').mockImplementation((_, seconds) => void seen.push(seconds));
  expect((await person.request(path, init)).status).toBeLessThan(400);
  expect(timeouts).toHaveBeenCalled();
  // Before that, its body may have been read.
  expect(seen.slice(-3)).toEqual([0, 'it stops', 150]);
});
