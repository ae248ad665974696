/**
 * What happens reaches every open page of its owner because it is pushed, and not because a clock runs out: no page asks again,
 * and nothing between an event and its stream waits for a timer. So pages agree as fast as the network carries it.
 */
import { afterAll, expect, spyOn, test } from 'bun:test';
import timers from 'node:timers/promises';
import { EVERY_MS } from '../../router/chat/live/pace';
import { agentOf, beginConversation } from '../support/chat';
import { ADMIN, form, memoryBackend, startRouter } from '../support/router';
import { scripted } from '../support/scripted';
import { type Watch, watchStream } from '../support/watch';

const runner = scripted('at-once');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const admin = await router.person(ADMIN);
afterAll(() => router[Symbol.asyncDispose]());

/** Far enough that no timer of a test runs out. */
const NEVER_MS = 2 ** 30;

/** What is set from now on runs out when the clock goes on again, since the router waits for it: its modules are shared by all tests. */
function standingClock(): Disposable {
  const { setTimeout: realTimeout, setInterval: realInterval } = globalThis;
  const waiting: { timer: NodeJS.Timeout; run(): void }[] = [];
  let stands = true;
  const later = (callback: (...args: unknown[]) => void, _ms?: number, ...args: unknown[]) => {
    const timer = realTimeout(callback, NEVER_MS, ...args);
    waiting.push({ timer, run: () => callback(...args) });
    return timer;
  };
  const again = (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
    realInterval(() => stands || callback(...args), ms);
  const spies = [
    spyOn(globalThis, 'setTimeout').mockImplementation(later as never),
    spyOn(globalThis, 'setInterval').mockImplementation(again as never),
    spyOn(timers, 'setTimeout').mockImplementation(
      (() => new Promise<void>((resolve) => later(() => resolve()))) as never,
    ),
  ];
  return {
    [Symbol.dispose]() {
      stands = false;
      for (const spy of spies) spy.mockRestore();
      for (const { timer, run } of waiting) {
        if ((timer as unknown as { _destroyed: boolean })._destroyed) continue;
        clearTimeout(timer);
        run();
      }
    },
  };
}

test('new, renamed, put away and deleted conversations, answers and the states of runners reach all pages without a timer', async () => {
  const agent = await agentOf(router, admin, 'scribe');
  const id = await beginConversation(router, admin, 'scribe', 'first');
  const first = await runner.next();
  const open = (path: string) => watchStream(router.url + path, { cookie: admin.cookie });
  await using around = await open('/live');
  await using admins = await open('/admin/live?on=backends');
  await using inside = await open(`/live?conversation=${id}`);
  const pages: Watch[] = [around, admins, inside];
  const all = (text: string) => Promise.all(pages.map((page) => page.saw(text)));
  await all(`runner-${agent.id}`);

  using _ = standingClock();
  first.say('It is done.');
  first.finish();
  await inside.saw('It is done.');
  await admin.request(`/conversations/${id}/title`, form({ title: 'Renamed' }));
  await all('Renamed');
  for (const [shelf, place] of [
    ['pinned', '#pinned'],
    ['list', '#conversations'],
  ]) {
    await admin.request(`/conversations/${id}/shelf`, form({ shelf: shelf ?? '' }));
    await all(`hx-target="${place}"`);
  }
  const { id: other } = await router.context.conversations.create(agent);
  await admin.request(`/conversations/${other}/title`, form({ title: 'New' }));
  await all(`conversation-link-${other}`);
  await admin.request(`/conversations/${other}/delete`, { method: 'POST' });
  await all(`hx-target="#conversation-link-${other}" hx-swap="delete"`);
  await router.context.runners.stop(agent.id, 'asked');
  await all('asleep');
});

test('what an answer grows by waits for a part of a second at most', () => {
  expect(EVERY_MS).toBeLessThan(1_000);
});
