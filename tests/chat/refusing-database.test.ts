/** While the database refuses every write, as on a full disk: what becomes of an answer, and what people can do. */
import { afterAll, beforeEach, expect, spyOn, test } from 'bun:test';
import { generationsLog } from '../../router/lib/log';
import { refuse } from '../support/refusing';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';
import { passTime, restoreTime } from '../support/time';
import { watchStream } from '../support/watch';

const runner = scriptedRunner('refusing-database');
const router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
afterAll(() => router[Symbol.asyncDispose]());
afterAll(restoreTime);
// After a refusal the router writes turns at once for a while.
beforeEach(() => passTime(2_000));
const alice = await router.person(PEOPLE.alice);
const key = await alice.createKey();

function ask(content: string, { id, stream = false }: { id?: string; stream?: boolean } = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...(id !== undefined && { 'x-conversation-id': id }) };
  const body = { model: 'plain', messages: [{ role: 'user', content }], store: true, stream };
  return fetch(`${router.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
}
async function begin(): Promise<string> {
  runner.reply = () => completion('Begun.');
  const response = await ask('Begin');
  await response.text();
  return response.headers.get('x-conversation-id') ?? '';
}
const stored = async (id: string) =>
  (await router.context.stores.conversations.page(id, { limit: 9 })).map(({ content, status }) => [content, status]);

test('an answer in one piece whose turn was refused at first is read when it is whole', async () => {
  const [id, other] = [await begin(), await begin()];
  const refusing = refuse(router);
  const whole = await completion('The whole answer.').text();
  const body = pipe();
  body.write(whole.slice(0, 40));
  runner.reply = () => body.response({ headers: { 'content-type': 'application/json' } });
  const response = await ask('In pieces', { id });
  refusing[Symbol.dispose]();
  await until(async () => (await stored(id)).length === 4, 'the turn is stored');
  const saved = pipe();
  runner.reply = () => saved.response();
  saved.write(chunk('Saved by the same clock'));
  const stream = await ask('In a stream', { id: other, stream: true });
  await until(async () => (await stored(other)).at(-1)?.[0] !== '', 'what has come until then is saved');
  body.write(whole.slice(40));
  body.close();
  saved.write(DONE);
  saved.close();
  expect((await Promise.all([response.text(), stream.text()]))[0]).toBe(whole);
  await until(async () => (await stored(id)).at(-1)?.[1] === 'done', 'its end is saved');
  expect((await stored(id)).at(-1)).toEqual(['The whole answer.', 'done']);
});

test('who searches finds what is indexed', async () => {
  const id = await begin();
  await router.context.search.indexAll(new AbortController().signal);
  using _refusing = refuse(router);
  const page = await alice.request('/search?q=begun');
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`/conversations/${id}`)]);
});

test('who deletes a conversation is told that it cannot be, and its answer is stopped and not lost', async () => {
  const id = await begin();
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('Not stored'));
  {
    using _refusing = refuse(router);
    expect((await ask('In a stream', { id, stream: true })).status).toBe(200);
    const refused = await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'storage_failed' }]);
  }
  await until(async () => (await stored(id)).at(-1)?.[1] === 'stopped', 'the answer is stored');
  expect((await stored(id)).slice(2)).toEqual([
    ['In a stream', 'done'],
    ['Not stored', 'stopped'],
  ]);
});

/** A stream in a conversation, or in a new one, whose answer goes on until the returned function is called. */
async function stream(content: string, id?: string) {
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('In memory'));
  const response = await ask(content, { ...(id !== undefined && { id }), stream: true });
  const end = async () => {
    answering.write(DONE);
    answering.close();
    await response.text();
  };
  return { id: response.headers.get('x-conversation-id') ?? '', end };
}
const read = (who: Person, path: string, locale = 'en') =>
  who.request(path, { headers: { 'accept-language': locale } });

test('who looks at a conversation whose newest turn is refused is told so, until it is stored', async () => {
  const id = await begin();
  const isSaid = async () => {
    const pages = await Promise.all(['en', 'zh'].map((locale) => read(alice, `/conversations/${id}`, locale)));
    const texts = await Promise.all(pages.map((page) => page.text()));
    const { conversation } = (await (await read(alice, `/api/conversations/${id}`)).json()) as { conversation: object };
    const { conversations } = (await (await read(alice, '/api/conversations')).json()) as { conversations: object[] };
    const words = ['The newest turn is not stored yet', '最新一轮对话尚未保存'];
    return [
      ...texts.map((text, index) => text.includes(words[index] ?? '')),
      ...[conversation, conversations[0]].map((one) => Reflect.get(one ?? {}, 'unsaved')),
    ];
  };
  const page = await (await read(alice, `/conversations/${id}`)).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
  await using live = await watchStream(`${router.url}${url}`, { cookie: alice.cookie });
  expect(await isSaid()).toEqual([false, false, false, false]);
  const refusing = refuse(router);
  const { end } = await stream('Not stored', id);
  expect(await live.saw('hx-target="#unsaved-notice"')).toContain('The newest turn is not stored yet');
  expect(await isSaid()).toEqual([true, true, true, true]);
  refusing[Symbol.dispose]();
  expect(await live.saw('hx-target="#unsaved-notice"')).toContain('<div id="unsaved-notice"></div>');
  expect(await isSaid()).toEqual([false, false, false, false]);
  await end();
});

test('a page that came while a turn was refused, or was away when it was stored, says so no longer', async () => {
  const id = await begin();
  const refusing = refuse(router);
  const { end } = await stream('Not stored', id);
  const page = await until(async () => {
    const text = await (await read(alice, `/conversations/${id}`)).text();
    return text.includes('The newest turn is not stored yet') && text;
  }, 'it is refused');
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
  refusing[Symbol.dispose]();
  await until(async () => (await stored(id)).length === 4, 'the turn is stored');
  for (const headers of [{}, { 'last-event-id': /after=([^&]+)/.exec(url ?? '')?.[1] ?? '' }]) {
    await using live = await watchStream(`${router.url}${url}`, { ...headers, cookie: alice.cookie });
    expect(await live.saw('hx-target="#unsaved-notice"')).toContain('<div id="unsaved-notice"></div>');
  }
  await end();
});

test('a new conversation that is refused is in memory only, and nobody else is told of it', async () => {
  const bob = await router.person(PEOPLE.bob);
  const refusing = refuse(router);
  const { id, end } = await stream('New');
  const asked = async (who: Person, path: string) => {
    const response = await read(who, path);
    return [response.status, (await response.text()).includes('in memory only')];
  };
  for (const path of [`/conversations/${id}`, `/api/conversations/${id}`]) {
    expect(await asked(alice, path)).toEqual([503, true]);
    expect(await asked(bob, path)).toEqual([404, false]);
  }
  const next = await ask('Next', { id });
  expect([next.status, await next.text()]).toEqual([503, expect.stringContaining('in memory only')]);
  refusing[Symbol.dispose]();
  await until(async () => (await asked(alice, `/api/conversations/${id}`))[0] === 200, 'it is stored');
  await end();
});

test('who goes on from a response that is refused is told so, and nobody else of it', async () => {
  const bobsKey = await (await router.person(PEOPLE.bob)).createKey();
  const respond = (body: object, own = key) =>
    fetch(`${router.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own}` },
      body: JSON.stringify({ model: 'plain', input: 'Hello', ...body }),
    });
  const refusing = refuse(router);
  const answering = pipe();
  runner.reply = () => answering.response();
  answering.write(chunk('In memory'));
  const begun = await respond({ stream: true });
  const reader = begun.body?.getReader();
  const [, previous = ''] =
    /"id":"(resp_[0-9a-f]{24})"/.exec(new TextDecoder().decode((await reader?.read())?.value)) ?? [];
  const conversation = begun.headers.get('x-conversation-id') ?? '';
  for (const from of [{ previous_response_id: previous }, { conversation }]) {
    const refused = await respond(from);
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('in memory only')]);
    const [param] = Object.keys(from);
    const foreign = await respond(from, bobsKey);
    expect([foreign.status, await foreign.json()]).toMatchObject([404, { error: { param } }]);
  }
  const read = await fetch(`${router.url}/v1/responses/${previous}`, { headers: { authorization: `Bearer ${key}` } });
  expect(read.status).toBe(503);
  refusing[Symbol.dispose]();
  answering.write(DONE);
  answering.close();
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read());
  await until(async () => (await stored(conversation)).length === 2, 'it is stored');
});

test('an answer that is refused again and again is logged once, after twice as many refusals each time, and when it is saved', async () => {
  const id = await begin();
  const { conversations } = router.context.stores;
  const { insertTurn } = conversations;
  let tries = 0;
  using errors = spyOn(generationsLog, 'error').mockReturnValue(undefined);
  using infos = spyOn(generationsLog, 'info').mockReturnValue(undefined);
  using _refusing = spyOn(conversations, 'insertTurn').mockImplementation(async (...turn) => {
    tries += 1;
    if (tries > 5) return insertTurn(...turn);
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  });
  runner.reply = () => completion('At last.');
  await (await ask('Again', { id })).text();
  await until(async () => (await stored(id)).length === 4, 'it is saved');
  const logged = (log: typeof errors | typeof infos, event: string) =>
    log.mock.calls.flatMap(([fields, what]) => (what === event ? [Reflect.get(Object(fields), 'refusals')] : []));
  expect(logged(errors, 'answer.save_failed')).toEqual([1, 2, 4]);
  expect(logged(infos, 'answer.save_done')).toEqual([5]);
});
