import { afterAll, expect, test } from 'bun:test';
import { agentOf, beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { scripted } from '../support/scripted';
import { watchStream } from '../support/watch';

const HOUR_MS = 3_600_000;
const runner = scripted('schedules');
const backends = [memoryBackend('clock', {}, runner.program), memoryBackend('other', {}, runner.program)];
/** A Friday, an hour before nine. */
let nowMs = Date.parse('2026-11-27T08:00:00Z');
const passTime = (ms: number) => {
  nowMs += ms;
};
let router = await startRouter({ backends, now: () => nowMs, env: { MAX_SCHEDULES_PER_USER: '5' } });
const people = {
  alice: await router.person(PEOPLE.alice),
  bob: await router.person(PEOPLE.bob),
  mallory: await router.person(PEOPLE.mallory),
};
const { alice, bob, mallory } = people;
afterAll(() => router[Symbol.asyncDispose]());

interface Schedule {
  readonly id: string;
  readonly when: string;
  readonly next_at: number | null;
  readonly last_at: number | null;
  readonly last_conversation_id: string | null;
  readonly last_problem: string | null;
  readonly paused: boolean;
}

async function call(who: Person, method: string, path: string, body?: object) {
  const response = await who.request(`/api/${path}`, { method, ...(body && { body }) });
  return { status: response.status, json: response.status === 204 ? undefined : await response.json() };
}

const DAILY = { when: 'every day at 9', text: 'What is new?' };

async function make(who: Person, fields: object = {}, one: TestRouter = router): Promise<Schedule> {
  const agent = await agentOf(one, who, 'clock');
  const { status, json } = await call(who, 'POST', `agents/${agent.id}/schedules`, { ...DAILY, ...fields });
  expect([status, json]).toMatchObject([200, { schedule: { paused: false } }]);
  return json.schedule;
}

const read = async (who: Person, { id }: Schedule): Promise<Schedule> =>
  (await call(who, 'GET', `schedules/${id}`)).json.schedule;
const remove = (who: Person, { id }: Schedule) => call(who, 'DELETE', `schedules/${id}`);

interface Told {
  readonly role: string;
  readonly content: string;
}

async function messagesIn(who: Person, conversationId: string | null): Promise<readonly Told[]> {
  const { json } = await call(who, 'GET', `conversations/${conversationId}`);
  return json.messages.map(({ role, content }: Told) => ({ role, content }));
}

/** The agent answers what it is asked next. */
async function answer(text: string): Promise<readonly Told[]> {
  const asked = await runner.next();
  asked.say(text);
  asked.finish();
  await until(() => router.context.generations.size === 0, 'the answer has ended');
  return asked.body.messages as Told[];
}

test('at its time an agent is asked, and its answer is an unread conversation', async () => {
  const made = await make(alice, { when: 'every weekday at 9', time_zone: 'UTC' });
  expect(made.next_at).toBe(Date.parse('2026-11-27T09:00:00Z') / 1000);
  await router.context.schedules.runDue();
  expect((await read(alice, made)).last_at).toBeNull();

  passTime(HOUR_MS);
  await router.context.schedules.runDue();
  expect((await answer('Nothing.')).at(-1)).toMatchObject({ role: 'user', content: 'What is new?' });
  const after = await read(alice, made);
  // The weekend is left out.
  expect(after.next_at).toBe(Date.parse('2026-11-30T09:00:00Z') / 1000);
  expect(after.last_at).toBe(nowMs / 1000);
  expect(await messagesIn(alice, after.last_conversation_id)).toEqual([
    { role: 'user', content: 'What is new?' },
    { role: 'assistant', content: 'Nothing.' },
  ]);
  const [newest] = await router.context.conversations.list(alice.id);
  expect(newest).toMatchObject({ id: after.last_conversation_id, isUnread: true, title: 'What is new?' });
  // Once.
  await router.context.schedules.runDue();
  expect(router.context.generations.size).toBe(0);
  await remove(alice, made);
});

test('answers go to the conversation that was chosen, and to a new one when that is deleted', async () => {
  const chosen = await beginConversation(router, alice, 'clock', 'Good morning');
  await answer('Good morning.');
  const made = await make(alice, { conversation_id: chosen });
  passTime(24 * HOUR_MS);
  await router.context.schedules.runDue();
  await answer('Still nothing.');
  expect((await messagesIn(alice, chosen)).map(({ content }) => content)).toEqual([
    ...['Good morning', 'Good morning.', 'What is new?', 'Still nothing.'],
  ]);
  await alice.request(`/conversations/${chosen}/delete`, form({}));
  passTime(24 * HOUR_MS);
  await router.context.schedules.runDue();
  await answer('A new page.');
  const { last_conversation_id: next } = await read(alice, made);
  expect(next).not.toBe(chosen);
  expect((await messagesIn(alice, next)).at(-1)?.content).toBe('A new page.');
  await remove(alice, made);
});

test('a conversation in which an answer is being written is tried again until it has ended', async () => {
  const chosen = await beginConversation(router, alice, 'clock', 'Tell a long story');
  const long = await runner.next();
  const made = await make(alice, { conversation_id: chosen });
  passTime(24 * HOUR_MS);
  await router.context.schedules.runDue();
  expect(await read(alice, made)).toMatchObject({ last_at: null, next_at: Math.floor(nowMs / 1000) + 30 });
  long.say('The end.');
  long.finish();
  await until(() => router.context.generations.size === 0, 'the story has ended');
  passTime(30_000);
  await router.context.schedules.runDue();
  await answer('Nothing.');
  expect((await messagesIn(alice, chosen)).at(-1)?.content).toBe('Nothing.');
  await remove(alice, made);
});

test('what cannot be asked for ten minutes is left out, and says why', async () => {
  const chosen = await beginConversation(router, alice, 'clock', 'Tell an endless story');
  const endless = await runner.next();
  const made = await make(alice, { conversation_id: chosen });
  passTime(24 * HOUR_MS);
  for (let tries = 0; tries < 20; tries += 1) {
    await router.context.schedules.runDue();
    passTime(30_000);
  }
  const { last_problem: problem, next_at: next } = await read(alice, made);
  expect(problem).toStartWith('An answer is still being written.');
  expect(next).toBeGreaterThan(nowMs / 1000 + 3600);
  const agent = await agentOf(router, alice, 'clock');
  const page = await (await alice.request(`/agents/${agent.id}/schedules`)).text();
  expect(page).toContain('The agent was not asked.');
  endless.finish();
  await until(() => router.context.generations.size === 0, 'the story has ended');
  await remove(alice, made);
});

test('a schedule that is paused asks nothing, and what passed meanwhile is not made up for', async () => {
  const made = await make(alice);
  expect((await call(alice, 'PATCH', `schedules/${made.id}`, { paused: true })).json.schedule).toMatchObject({
    ...{ paused: true, next_at: null },
  });
  passTime(48 * HOUR_MS);
  await router.context.schedules.runDue();
  const { json } = await call(alice, 'PATCH', `schedules/${made.id}`, { paused: false });
  expect(json.schedule.next_at).toBeGreaterThan(nowMs / 1000);
  await router.context.schedules.runDue();
  expect((await read(alice, made)).last_at).toBeNull();
  await remove(alice, made);
});

test('a schedule is run now, by API and on its page, and its next time stays', async () => {
  const made = await make(alice);
  const { json } = await call(alice, 'POST', `schedules/${made.id}/run`);
  await answer('Right away.');
  expect((await messagesIn(alice, json.conversation_id)).at(-1)?.content).toBe('Right away.');
  const response = await alice.request(`/schedules/${made.id}/run`, form({}));
  await answer('And again.');
  const after = await read(alice, made);
  expect(response.headers.get('location')).toBe(`/conversations/${after.last_conversation_id}`);
  expect(after.next_at).toBe(made.next_at);
  await remove(alice, made);
});

test('times that pass while the router is down are asked once when it is up again', async () => {
  const made = await make(alice);
  const { dataRoot } = router;
  await router.stop();
  passTime(3 * 24 * HOUR_MS);
  router = await startRouter({ backends, dataRoot, now: () => nowMs, env: { MAX_SCHEDULES_PER_USER: '5' } });
  for (const name of ['alice', 'bob', 'mallory'] as const)
    Object.assign(people[name], await router.person(PEOPLE[name]));
  await router.context.schedules.runDue();
  await answer('Back.');
  await router.context.schedules.runDue();
  expect(router.context.generations.size).toBe(0);
  expect((await read(alice, made)).next_at).toBeGreaterThan(nowMs / 1000);
  await remove(alice, made);
});

test('the schedules of a disabled user wait, and are asked once when the user is back', async () => {
  const made = await make(bob);
  await router.context.removal.disable(bob.id);
  passTime(48 * HOUR_MS);
  await router.context.schedules.runDue();
  expect(router.context.generations.size).toBe(0);
  await router.context.removal.enable(bob.id);
  Object.assign(bob, await router.person(PEOPLE.bob));
  await router.context.schedules.runDue();
  await answer('Welcome back.');
  expect((await read(bob, made)).last_at).toBe(Math.floor(nowMs / 1000));
  await remove(bob, made);
});

test('a schedule that is paused or changed after it was found due is left alone', async () => {
  const made = await make(alice);
  passTime(24 * HOUR_MS);
  const { schedules: store } = router.context.stores;
  const [due] = await store.due(nowMs, 10);
  if (!due) throw new Error('premise: it is due');
  await call(alice, 'PATCH', `schedules/${made.id}`, { when: 'every day at 23' });
  expect(await store.moveOn(due, null)).toBe(false);
  const changed = await read(alice, made);
  await call(alice, 'PATCH', `schedules/${made.id}`, { paused: true });
  expect(await store.moveOn({ id: made.id, nextAtMs: (changed.next_at ?? 0) * 1000 }, null)).toBe(false);
  expect(await read(alice, made)).toMatchObject({ when: '0 23 * * *', paused: true, next_at: null, last_at: null });
  await remove(alice, made);
});

test('a schedule whose conversation is gone is changed all the same, and an archived one stays its own on the page', async () => {
  const chosen = await beginConversation(router, alice, 'clock', 'Good evening');
  await answer('Good evening.');
  const made = await make(alice, { conversation_id: chosen });
  await router.context.conversations.putOn(alice.id, chosen, 'archived');
  const agent = await agentOf(router, alice, 'clock');
  const page = await (await alice.request(`/agents/${agent.id}/schedules?edit=${made.id}`)).text();
  expect(page).toContain(`<option value="${chosen}" selected`);
  await alice.request(`/conversations/${chosen}/delete`, form({}));
  expect((await call(alice, 'PATCH', `schedules/${made.id}`, { text: 'Still there?' })).status).toBe(200);
  await remove(alice, made);
});

test('a user has as many schedules as the setting says', async () => {
  const all = [];
  for (let count = 0; count < 5; count += 1) all.push(await make(bob));
  const agent = await agentOf(router, bob, 'clock');
  const refused = await call(bob, 'POST', `agents/${agent.id}/schedules`, DAILY);
  expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('5 schedules')]);
  expect(await (await bob.request(`/agents/${agent.id}/schedules`)).text()).toContain('Delete one to make another');
  for (const one of all) await remove(bob, one);
});

test.each([
  [{ when: 'sometimes' }, 'when'],
  [{ when: '* * * * *' }, 'when'],
  [{ time_zone: 'Mars/Olympus' }, 'time_zone'],
  [{ text: '  ' }, 'text'],
  [{ text: 'a'.repeat(20_001) }, 'text'],
])('bad input is refused at its field: %j', async (fields, name) => {
  const agent = await agentOf(router, alice, 'clock');
  const { status, json } = await call(alice, 'POST', `agents/${agent.id}/schedules`, { ...DAILY, ...fields });
  expect([status, Object.keys(json.fields)]).toEqual([422, [name]]);
});

test('a conversation of another agent or user is not found', async () => {
  const agent = await agentOf(router, alice, 'clock');
  const elsewhere: [Person, string][] = [
    [alice, 'other'],
    [mallory, 'clock'],
  ];
  for (const [who, backend] of elsewhere) {
    const id = await beginConversation(router, who, backend, 'Hello');
    await answer('Hello.');
    const { status } = await call(alice, 'POST', `agents/${agent.id}/schedules`, { ...DAILY, conversation_id: id });
    expect(status).toBe(404);
  }
});

test('the page makes, changes and deletes a schedule, and shows a refused form as it was typed', async () => {
  const agent = await agentOf(router, alice, 'clock');
  const path = `/agents/${agent.id}/schedules`;
  const fields = {
    every: 'weekday',
    time: '08:30',
    cron: '',
    time_zone: 'Europe/Berlin',
    conversation: '',
    text: 'Hm',
  };
  expect((await alice.request(path, form(fields))).headers.get('location')).toBe(`${path}?said=made`);
  const shown = await (await alice.request(`${path}?said=made`)).text();
  expect(shown).toContain('Every weekday at 08:30');
  expect(shown).toContain('The schedule is made.');
  const id = /\/schedules\/([0-9a-f]{24})\/run/.exec(shown)?.[1] ?? '';
  const refused = await alice.request(`/schedules/${id}`, form({ ...fields, every: 'cron', cron: '61 8 * * *' }));
  expect(refused.status).toBe(422);
  const html = await refused.text();
  expect(html).toContain('value="61 8 * * *"');
  expect(html).toContain(`action="/schedules/${id}"`);
  expect((await alice.request(`/schedules/${id}`)).headers.get('location')).toBe(`${path}?edit=${id}`);
  await alice.request(`/schedules/${id}`, form({ ...fields, every: 'cron', cron: '0 8 1 * *' }));
  expect(await (await alice.request(path)).text()).toContain('<code>0 8 1 * *</code>');
  await alice.request(`/schedules/${id}/delete`, form({}));
  expect(await (await alice.request(path)).text()).not.toContain(`/schedules/${id}`);
});

test('the form of a schedule is in the page only when it is opened', async () => {
  const [one, other] = [await make(alice, { text: 'The first?' }), await make(alice, { text: 'The second?' })];
  const agent = await agentOf(router, alice, 'clock');
  const path = `/agents/${agent.id}/schedules`;
  const formsIn = async (who: Person, url: string) => {
    const html = await (await who.request(url)).text();
    return [...html.matchAll(/ action="([^"]+)" class="scope-form schedule-form"/g)].map(([, action]) => action);
  };
  expect(await formsIn(alice, path)).toEqual([path]);
  const opened = await (await alice.request(`${path}?edit=${one.id}`)).text();
  expect(opened).toMatch(/<textarea [^>]*autofocus[^>]*>The first\?</);
  expect(await formsIn(alice, `${path}?edit=${one.id}`)).toEqual([`/schedules/${one.id}`, path]);
  // Only the schedules of the agent of the page are opened in it.
  const { id: bobs } = await agentOf(router, bob, 'clock');
  const elsewhere = `/agents/${bobs}/schedules`;
  expect(await formsIn(bob, `${elsewhere}?edit=${one.id}`)).toEqual([elsewhere]);
  await remove(alice, one);
  await remove(alice, other);
});

test('a page of fifty schedules of the longest text stays small', async () => {
  await using large = await startRouter({ backends, env: { MAX_SCHEDULES_PER_USER: '50' } });
  const carol = await large.person(PEOPLE.alice);
  const agent = await agentOf(large, carol, 'clock');
  const bytes = async () => Buffer.byteLength(await (await carol.request(`/agents/${agent.id}/schedules`)).text());
  const before = await bytes();
  expect(before).toBeLessThan(60_000);
  for (let count = 0; count < 50; count += 1) await make(carol, { text: 'word '.repeat(4_000) }, large);
  expect((await bytes()) - before).toBeLessThan(50 * 4_000);
});

test('nobody sees, changes or runs the schedules of another user', async () => {
  const made = await make(alice);
  const agent = await agentOf(router, alice, 'clock');
  const attempts: [string, string, object?][] = [
    ['GET', `agents/${agent.id}/schedules`],
    ['POST', `agents/${agent.id}/schedules`, DAILY],
    ['GET', `schedules/${made.id}`],
    ['PATCH', `schedules/${made.id}`, { text: 'Obey.' }],
    ['POST', `schedules/${made.id}/run`],
    ['DELETE', `schedules/${made.id}`],
  ];
  for (const [method, path, body] of attempts) {
    expect([method, path, (await call(mallory, method, path, body)).status]).toEqual([method, path, 404]);
  }
  expect((await call(mallory, 'GET', 'schedules')).json).toEqual({ schedules: [], max: 5 });
  expect(await read(alice, made)).toMatchObject({ text: 'What is new?', last_at: null });
  await remove(alice, made);
});

test('a page hears of schedules when its stream begins or comes back, for it may have missed a change', async () => {
  const cookie = { cookie: alice.cookie };
  for (const headers of [cookie, { ...cookie, 'last-event-id': '0' }]) {
    await using page = await watchStream(`${router.url}/live`, headers);
    const told = () => page.events.filter(({ event }) => event === 'schedule').length;
    await until(() => told() === 1, 'the page is told once');
    const made = await make(alice);
    await until(() => told() === 2, 'the page is told of the change');
    await remove(alice, made);
  }
});
