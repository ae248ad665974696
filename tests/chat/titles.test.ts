/** Titles by the user's own model: when they are asked for, how they are counted, and what keeps the first words. */
import { afterAll, beforeEach, expect, test } from 'bun:test';
import { titleIn } from '../../router/chat/titles';
import { agentOf, beginConversation } from '../support/chat';
import { messageForm } from '../support/files';
import { ADMIN, form, memoryBackend, type Person, startRouter, until } from '../support/router';
import { chunk, DONE, pipe, scriptedRunner } from '../support/scripted-runner';
import { startUpstream } from '../support/upstream';

const runner = scriptedRunner('titles');
const upstream = startUpstream();
const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const router = await startRouter({
  backends: [
    memoryBackend('echo', { user_overridable_env: LLM, attachments: true }, runner.program),
    memoryBackend('plain', {}, runner.program),
  ],
  env: { ALLOW_PRIVATE_UPSTREAMS: 'true' },
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop();
});
beforeEach(() => {
  upstream.unscript();
  const headers = { 'content-type': 'text/event-stream' };
  runner.reply = () => new Response(chunk('The tram 28 is best.') + DONE, { headers });
});

let people = 0;
async function newPerson(values: Record<string, string> | undefined = own()): Promise<Person> {
  people += 1;
  const who = await router.person({ email: `t${people}@example.org`, name: `T${people}`, password: 'a-long-password' });
  if (values) await who.request('/settings/credentials', form({ scope: '', ...values }));
  return who;
}
const own = () => ({ LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'test-model' });
const titleOf = async (who: Person, id: string) => (await router.context.conversations.get(who.id, id)).title;
const asked = () => upstream.requests.length;
async function answered(who: Person, text: string, backend = 'echo'): Promise<string> {
  const id = await beginConversation(router, who, backend, text);
  await until(async () => (await router.context.conversations.newest(id))?.status !== 'streaming', 'the answer ends');
  return id;
}
/** After it, nothing is being asked: a title that comes is there. */
async function quiet(who: Person): Promise<void> {
  await router.context.metering.flush();
  await who.request('/settings');
}

test('after the first answer the model names the conversation, once, and usage counts it', async () => {
  const who = await newPerson();
  const before = asked();
  upstream.script({ pieces: ['**"Trams', ' of Lisbon"**', '\n\nThat is it.'] });
  const id = await answered(who, 'Which tram should I take?');
  await until(async () => (await titleOf(who, id)) === 'Trams of Lisbon', 'it is named');
  const { body } = await upstream.request(before + 1);
  expect(body).toMatchObject({ model: 'test-model', stream: true });
  expect(JSON.stringify(body.messages)).toContain('Which tram should I take?');
  expect(JSON.stringify(body.messages)).toContain('The tram 28 is best.');
  const usage = async () => (await (await who.request('/api/me/usage')).json()) as { totals?: unknown };
  await router.context.metering.flush();
  expect(JSON.stringify(await usage())).toContain('"prompt_tokens":11');
  await who.request(`/conversations/${id}/messages`, form({ text: 'And back?' }));
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'the second answer ends');
  await quiet(who);
  expect(asked()).toBe(before + 1);
});

test('a title is read from whatever an answer is read from: parts of a text, lines of an event, and one body', async () => {
  const said = [{ choices: [{ delta: { content: [{ type: 'text', text: 'Parts and' }] } }] }, 'lines'] as const;
  const event = `data: ${JSON.stringify(said[0])}\n\ndata: {"choices":\ndata: [{"delta":{"content":" ${said[1]}"}}]}\n\n`;
  const parts = [{ type: 'text', text: 'One body' }];
  const who = await newPerson();
  for (const [body, type, title] of [
    [event, 'text/event-stream', 'Parts and lines'],
    [event, 'text/plain', 'Parts and lines'],
    [`: processing\n\n${event}`, 'application/octet-stream', 'Parts and lines'],
    [JSON.stringify({ choices: [{ message: { content: parts } }] }, null, 2), 'application/json', 'One body'],
  ] as const) {
    upstream.script({ status: 200, body, headers: { 'content-type': type } });
    const id = await answered(who, 'Which tram should I take?');
    await until(async () => (await titleOf(who, id)) === title, `it is named ${title}`);
  }
});

test('a title is the first line that is said, without what is put around it', () => {
  expect(titleIn('<think>Hm.\n\n</think>\n# Trams of Lisbon.\nMore')).toBe('Trams of Lisbon');
  expect(titleIn('“里斯本的电车。”')).toBe('里斯本的电车');
  expect(titleIn('  \n')).toBe('');
  expect([...titleIn('word '.repeat(40))].length).toBe(60);
});

test('nothing is asked where the owner does not want it, the key is shared, no LLM is used, or the answer failed', async () => {
  const off = await newPerson();
  await off.request('/settings/you/titles', form({ setting: 'titles' }));
  expect(await (await off.request('/settings')).text()).not.toMatch(/id="model-titles"[^>]*checked/);
  const admin = await router.person(ADMIN);
  await admin.request('/settings/credentials', form({ scope: '', ...own() }));
  await admin.request('/settings/credentials/share', form({ group: 'llm', shared: 'true' }));
  const sharing = await newPerson({});
  const plain = await newPerson();
  const before = asked();
  const kept = [
    [off, await answered(off, 'first words of one')],
    [sharing, await answered(sharing, 'first words of two')],
    [plain, await answered(plain, 'first words of three', 'plain')],
  ] as const;
  runner.reply = () => new Response('no', { status: 500 });
  const failed = await answered(plain, 'first words of four');
  runner.reply = () => new Response(chunk('Yes.') + DONE, { headers: { 'content-type': 'text/event-stream' } });
  upstream.script({ pieces: ['Named'] });
  const last = await answered(plain, 'first words of five');
  await until(async () => (await titleOf(plain, last)) === 'Named', 'the last one is named');
  expect(asked()).toBe(before + 1);
  for (const [who, id] of [...kept, [plain, failed] as const])
    expect(await titleOf(who, id)).toStartWith('first words of');
});

test('an LLM that refuses, and one that never ends, leave the first words', async () => {
  const who = await newPerson();
  const before = asked();
  upstream.script(
    { status: 400, message: 'No.' },
    { pieces: Array.from({ length: 5_000 }, () => 'a very long title '), end: 'cut' },
  );
  const refused = await answered(who, 'first words');
  await upstream.request(before + 1);
  const long = await answered(who, 'other words');
  await until(async () => (await titleOf(who, long)).startsWith('a very long title'), 'it is cut and named');
  expect([...(await titleOf(who, long))].length).toBe(60);
  expect(await titleOf(who, refused)).toBe('first words');
});

test('nothing is asked for a conversation that begins with a file only, and its name stays', async () => {
  const who = await newPerson();
  const before = asked();
  const { id: agentId } = await agentOf(router, who, 'echo');
  const response = await who.request(`/agents/${agentId}/conversations`, messageForm(' ', { 'tram.txt': 'Line 28' }));
  const id = response.headers.get('location')?.split('/').at(-1) ?? '';
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'the answer ends');
  upstream.script({ pieces: ['Named'] });
  const last = await answered(who, 'words');
  await until(async () => (await titleOf(who, last)) === 'Named', 'the last one is named');
  expect([await titleOf(who, id), asked()]).toEqual(['tram.txt', before + 1]);
});

test('nothing is asked for a conversation that was renamed while it was answered', async () => {
  const who = await newPerson();
  const before = asked();
  const body = pipe();
  runner.reply = () => body.response();
  const id = await beginConversation(router, who, 'echo', 'Mine');
  await who.request(`/conversations/${id}/title`, form({ title: 'My own name' }));
  body.write(chunk('Yes.') + DONE);
  body.close();
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'the answer ends');
  runner.reply = () => new Response(chunk('Yes.') + DONE, { headers: { 'content-type': 'text/event-stream' } });
  upstream.script({ pieces: ['Named'] });
  const last = await answered(who, 'words');
  await until(async () => (await titleOf(who, last)) === 'Named', 'the last one is named');
  expect([await titleOf(who, id), asked()]).toEqual(['My own name', before + 1]);
});

test('a conversation that was renamed meanwhile keeps its name', async () => {
  const who = await newPerson();
  const before = asked();
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: [gate.promise, 'Too late'] });
  const id = await answered(who, 'Mine');
  const request = await upstream.request(before + 1);
  await who.request(`/conversations/${id}/title`, form({ title: 'My own name' }));
  gate.resolve();
  await request.ended;
  await router.context.titles.close();
  expect(await titleOf(who, id)).toBe('My own name');
});
