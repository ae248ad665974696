import { afterAll, expect, test } from 'bun:test';
import { agentOf, beginConversation } from '../support/chat';
import { ADMIN, form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { all } from '../views/dom';

const backends = [
  memoryBackend('echo', { display_name: 'Echo', description: 'Says it again.' }),
  memoryBackend('needy', { display_name: 'Needy', user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }),
  memoryBackend('resting', { display_name: 'Resting', disabled: true }),
];
const router = await startRouter({ backends });
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const htmx = { 'hx-request': 'true' };

async function converse(who: Person, text: string, backend = 'echo'): Promise<string> {
  const id = await beginConversation(router, who, backend, text);
  await until(async () => {
    const [last] = await router.context.stores.conversations.page(id, { limit: 1 });
    return last?.role === 'assistant' && last.status !== 'streaming';
  }, 'the answer ends');
  return id;
}

test('somebody new lands on a new conversation with the first agent, later on their last conversation', async () => {
  const bob = await router.person(PEOPLE.bob);
  const first = await bob.request('/');
  expect(first.headers.get('location')).toBe(`/agents/${(await agentOf(router, bob, 'echo')).id}`);
  const id = await converse(bob, 'hello');
  expect((await bob.request('/')).headers.get('location')).toBe(`/conversations/${id}`);
});

test('somebody new lands on an agent that has an LLM, once there is one for everybody', async () => {
  const admin = await router.person(ADMIN);
  const values = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'sk-shared', LLM_MODEL: 'm' };
  for (const [name, value] of Object.entries(values)) {
    await admin.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    await admin.request(`/api/admin/shared-env/${name}`, { method: 'PUT', body: { shared: true } });
  }
  const mallory = await router.person(PEOPLE.mallory);
  const landed = await mallory.request('/');
  expect(landed.headers.get('location')).toBe(`/agents/${(await agentOf(router, mallory, 'needy')).id}`);
  for (const name of Object.keys(values)) {
    await admin.request(`/api/admin/shared-env/${name}`, { method: 'PUT', body: { shared: false } });
  }
});

test('the first message names the conversation, and a long one is cut', async () => {
  const id = await converse(alice, `  A title\nover two lines ${'x'.repeat(100)}`);
  const title = (await router.context.conversations.get(alice.id, id)).title;
  expect(title).toStartWith('A title over two lines xxx');
  expect([...title]).toHaveLength(60);
});

test('a page shows every message, escaped, and its live stream from there on', async () => {
  const id = await converse(alice, '<b>bold</b> & "quoted"');
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const [bubble] = await all(page, '.message.user .bubble');
  expect(bubble?.text).toBe('<b>bold</b> & "quoted"');
  expect(await all(page, '.bubble b, .prose b')).toEqual([]);
  expect((await all(page, '#live'))[0]?.attributes['hx-sse:connect']).toMatch(
    new RegExp(`^/live\\?user=[^&]+&links=[^&]+&conversation=${id}&after=2$`),
  );
});

test('an empty message is refused with the form, and nothing is stored', async () => {
  const agent = await agentOf(router, alice, 'echo');
  const before = (await router.context.conversations.list(alice.id)).length;
  const response = await alice.request(`/agents/${agent.id}/conversations`, form({ text: '  \n ' }));
  expect(response.status).toBe(422);
  expect(await response.text()).toContain('composer-text');
  expect((await router.context.conversations.list(alice.id)).length).toBe(before);
  const id = await converse(alice, 'filled');
  const refused = await alice.request(`/conversations/${id}/messages`, { ...form({ text: ' ' }), headers: htmx });
  expect(refused.status).toBe(422);
  expect(await refused.text()).toStartWith('<div id="composer"');
});

test('a message sent by htmx answers 204 and without JavaScript 303', async () => {
  const id = await converse(alice, 'one');
  const live = await alice.request(`/conversations/${id}/messages`, { ...form({ text: 'two' }), headers: htmx });
  expect(live.status).toBe(204);
  await until(
    async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0]?.status === 'done',
    'it ends',
  );
  const plain = await alice.request(`/conversations/${id}/messages`, form({ text: 'three' }));
  expect([plain.status, plain.headers.get('location')]).toEqual([303, `/conversations/${id}`]);
});

test('more messages than a page holds are a link away', async () => {
  const id = await converse(alice, 'message 1');
  for (let n = 2; n <= 26; n += 1) {
    await alice.request(`/conversations/${id}/messages`, form({ text: `message ${n}.` }));
    await until(
      async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0]?.status === 'done',
      'it ends',
    );
  }
  const newest = await (await alice.request(`/conversations/${id}`)).text();
  expect(newest).toContain('message 26.');
  expect(newest).not.toContain(
    `id="message-${(await router.context.stores.conversations.page(id, { limit: 100 }))[0]?.id}`,
  );
  const earlier = /href="(\/conversations\/[^"]*before=[^"]*)"/.exec(newest)?.[1] ?? '';
  const page = await (await alice.request(earlier)).text();
  expect(page).toContain('message 1');
  expect(page).not.toContain('message 26.');
});

test('a conversation is renamed, not to nothing, and deleted, which its owner can undo', async () => {
  const id = await converse(alice, 'old name');
  await alice.request(`/conversations/${id}/title`, form({ title: ' New name ' }));
  expect((await router.context.conversations.get(alice.id, id)).title).toBe('New name');
  expect((await alice.request(`/conversations/${id}/title`, form({ title: ' ' }))).status).toBe(422);
  const deleted = await alice.request(`/conversations/${id}/delete`, { method: 'POST' });
  const agent = await agentOf(router, alice, 'echo');
  const place = `/agents/${agent.id}?deleted=${id}&shelf=list`;
  expect(deleted.headers.get('location')).toBe(place);
  expect((await alice.request(`/conversations/${id}`)).headers.get('location')).toBe(
    `/agents/${agent.id}?deleted=${id}`,
  );
  expect((await router.context.conversations.list(alice.id)).map((one) => one.id)).not.toContain(id);
  const mallory = await router.person(PEOPLE.mallory);
  const restore = `/conversations/${id}/shelf`;
  const list = form({ shelf: 'list' });
  expect((await mallory.request(restore, list)).status).toBe(404);
  expect(
    (await all(await (await alice.request(place)).text(), 'form')).map(({ attributes }) => attributes.action),
  ).toContain(restore);
  expect((await alice.request(restore, form({ shelf: 'list' }))).headers.get('location')).toBe(`/conversations/${id}`);
  expect((await router.context.conversations.list(alice.id))[0]?.id).toBe(id);
});

test('an agent that lacks credentials says which, in the page and in the answer’s place', async () => {
  const agent = await agentOf(router, alice, 'needy');
  const start = await (await alice.request(`/agents/${agent.id}`)).text();
  expect((await all(start, '#missing-credentials'))[0]?.text).toContain('Base URL, API key, Model');
  const id = await converse(alice, 'hello', 'needy');
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect((await all(page, '.message.answer'))[0]?.text).toContain('Needy cannot answer yet');
  const asked = await all(page, '.message.answer form input:not([type="radio"])');
  expect(asked.map(({ attributes }) => attributes.name)).toEqual(['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL']);
  expect((await all(page, '.message.answer a'))[0]?.attributes.href).toBe('/settings#credentials');
});

test('an agent that is switched off is shown as such and starts nothing', async () => {
  const agent = await agentOf(router, alice, 'resting');
  const page = await (await alice.request(`/agents/${agent.id}`)).text();
  expect(page).not.toContain('composer-form');
  await converse(alice, 'wake up', 'resting');
  expect(router.platform.calls('start')).toBe(router.context.runners.running().length);
});

test('mallory finds neither alice’s agent nor her runner', async () => {
  const mallory = await router.person(PEOPLE.mallory);
  const agent = await agentOf(router, alice, 'echo');
  const tries = [
    mallory.request(`/agents/${agent.id}`),
    mallory.request(`/agents/${agent.id}/conversations`, form({ text: 'hi' })),
    mallory.request(`/agents/${agent.id}/runner`, { method: 'POST' }),
    mallory.request(`/agents/${agent.id}/runner/stop`, { method: 'POST' }),
  ];
  expect((await Promise.all(tries)).map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  expect(router.context.runners.isWarm(agent.id)).toBe(true);
});
