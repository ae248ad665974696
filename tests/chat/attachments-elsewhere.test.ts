/** Files of messages beyond the page: clients of /v1, exports and imports, search, forks. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { agentOf } from '../support/chat';
import { dataUri, messageForm, png } from '../support/files';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { completion, DONE, scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const runner = scriptedRunner('attachments-elsewhere');
let router: TestRouter;
let alice: Person;
let key: string;
beforeAll(async () => {
  const backends = [memoryBackend('echo', { attachments: true }, runner.program)];
  router = await startRouter({
    backends,
    env: { MAX_ATTACHMENT_BYTES: '20000', MAX_ATTACHMENT_BYTES_PER_USER: '4000000' },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => completion('Seen.');
});

interface Told {
  readonly role: string;
  readonly content: string;
  readonly attachments?: readonly { readonly name: string; readonly type: string; readonly url: string }[];
}
async function read(id: string): Promise<readonly Told[]> {
  const { messages } = (await (await alice.request(`/api/conversations/${id}`)).json()) as {
    messages: readonly Told[];
  };
  return messages;
}
async function answered(id: string): Promise<void> {
  const isOver = async () => (await router.context.conversations.newest(id))?.status === 'done';
  await until(isOver, 'the answer has ended');
}
const load = async (url: string) => new Uint8Array(await (await alice.request(url)).arrayBuffer());
const v1 = (path: string, body: object, more: Record<string, string> = {}) =>
  router.request(`/v1/${path}`, { method: 'POST', body, headers: { authorization: `Bearer ${key}`, ...more } });
const asked = () =>
  JSON.parse(runner.requests.at(-1)?.text ?? '') as { messages: { role: string; content: unknown }[] };

/** A conversation with a picture from its user, and one in the answer. */
async function withPictures(): Promise<string> {
  const delta = { content: `Here: ![cat](${dataUri(png(9, 9))})!` };
  const chunk = `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
  runner.reply = () => new Response(chunk + DONE, { headers: { 'content-type': 'text/event-stream' } });
  const agent = await agentOf(router, alice, 'echo');
  const form = messageForm('Draw this', { 'sketch of a zebra.png': png(4, 4), 'notes.txt': 'black and white' });
  const response = await alice.request(`/agents/${agent.id}/conversations`, form);
  const id = response.headers.get('location')?.split('/').at(-1) ?? '';
  await answered(id);
  return id;
}

test('pictures and files that a client of /v1 sends in a recorded conversation are stored, and passed on as they came', async () => {
  const agent = await agentOf(router, alice, 'echo');
  const { id } = await router.context.conversations.create(agent);
  const [bytes, text] = [png(5, 5), Buffer.from('some,words')];
  const content = [
    { type: 'text', text: 'Look' },
    { type: 'image_url', image_url: { url: dataUri(bytes), detail: 'low' } },
    { type: 'file', file: { filename: 'a.csv', file_data: dataUri(text, 'text/csv') } },
    { type: 'image_url', image_url: { url: 'https://elsewhere.example/cat.png' } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
    { type: 'file', file: { filename: 'a.pdf', file_data: 'https://elsewhere.example/a.pdf' } },
  ];
  const body = { model: 'echo', messages: [{ role: 'user', content }] };
  expect((await v1('chat/completions', body, { 'x-conversation-id': id })).status).toBe(200);
  expect(asked().messages).toEqual([{ role: 'user', content }]);
  const [message] = await read(id);
  expect(message?.content).toBe('Look');
  // What is no picture and no text is not stored, and of a picture elsewhere its address.
  expect(message?.attachments).toHaveLength(3);
  expect(message?.attachments).toMatchObject([
    { name: 'file-1.png', type: 'image/png' },
    { name: 'a.csv', type: 'text/plain' },
    { name: 'https://elsewhere.example/cat.png', type: 'text/uri-list' },
  ]);
  expect(await load(message?.attachments?.[0]?.url ?? '')).toEqual(bytes);
  const address = await alice.request(message?.attachments?.[2]?.url ?? '');
  expect(address.headers.get('content-disposition')).toStartWith('attachment; filename="address.txt"');
  expect(await address.text()).toBe('https://elsewhere.example/cat.png');
});

test('a picture elsewhere is a link with its host, is told and exported by its address, and never fetched', async () => {
  const asks: string[] = [];
  using elsewhere = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: ({ url }) => {
      asks.push(url);
      return new Response(png(4, 4));
    },
  });
  const url = new URL('cat.png?a=1&b=2', elsewhere.url).href;
  const refused = ['ftp://elsewhere.example/a.png', 'https://', `https://elsewhere.example/${'a'.repeat(2_000)}`];
  const content = [
    { type: 'input_text', text: 'Look' },
    ...[url, ...refused].map((image_url) => ({ type: 'input_image', image_url })),
  ];
  const body = { model: 'echo', input: [{ role: 'user', content }], store: true };
  const first = (await (await v1('responses', body)).json()) as { id: string; conversation: { id: string } };
  const page = await (await alice.request(`/conversations/${first.conversation.id}`)).text();
  const [link] = await all(page, '.user .attachments a');
  expect(link).toMatchObject({ text: `Picture at ${elsewhere.url.host}`, attributes: { href: url } });
  expect(await all(page, 'article img')).toEqual([]);
  await v1('responses', { model: 'echo', input: 'And now?', previous_response_id: first.id });
  const picture = { type: 'image_url', image_url: { url } };
  expect(asked().messages[0]?.content).toEqual([{ type: 'text', text: 'Look' }, picture]);

  const exported = await (await alice.request(`/api/conversations/${first.conversation.id}/export`)).json();
  const send = (value: object) =>
    alice.request('/api/conversations/import?backend=echo', { method: 'POST', body: value });
  const { conversation } = (await (await send(exported as object)).json()) as { conversation: { id: string } };
  expect((await read(conversation.id))[0]?.attachments).toMatchObject([{ name: url, type: 'text/uri-list' }]);
  const other = JSON.stringify(exported).replace(btoa(url), btoa('javascript:alert(1)'));
  expect((await send(JSON.parse(other))).status).toBe(400);
  expect(asks).toEqual([]);
});

test('the input of a response is listed with its pictures and files as they were given', async () => {
  const parts = [
    { type: 'input_text', text: 'Look' },
    { type: 'input_image', image_url: dataUri(png(6, 6)), detail: 'auto' },
    { type: 'input_file', filename: 'a.txt', file_data: dataUri(Buffer.from('“some” words'), 'text/plain') },
    { type: 'input_image', image_url: 'https://elsewhere.example/cat.png', detail: 'auto' },
  ];
  for (const content of [parts, parts.slice(1, 2)]) {
    const body = { model: 'echo', input: [{ role: 'user', content }], store: true };
    const { id } = (await (await v1('responses', body)).json()) as { id: string };
    const list = await fetch(`${router.url}/v1/responses/${id}/input_items`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(list.headers.get('content-type')).toBe('application/json');
    expect(await list.json()).toMatchObject({ data: [{ type: 'message', role: 'user', content }] });
  }
});

test('a response that goes on from one with a picture is told the picture', async () => {
  const url = dataUri(png(6, 6));
  const content = [
    { type: 'input_text', text: 'Look' },
    { type: 'input_image', image_url: url },
  ];
  const first = await (await v1('responses', { model: 'echo', input: [{ role: 'user', content }] })).json();
  const { id } = first as { id: string };
  await v1('responses', { model: 'echo', input: 'And now?', previous_response_id: id });
  const [user, answer, next] = asked().messages;
  expect(user?.content).toMatchObject([
    { type: 'text', text: 'Look' },
    { type: 'text', text: expect.stringContaining('File "file-1.png"') },
    { type: 'image_url', image_url: { url } },
  ]);
  expect([answer?.content, next?.content]).toEqual(['Seen.', 'And now?']);
});

test('a reference to a message brings its picture, as if the client had sent it again', async () => {
  const url = dataUri(png(6, 6));
  const content = [
    { type: 'input_text', text: 'Look' },
    { type: 'input_image', image_url: url },
  ];
  const first = await (await v1('responses', { model: 'echo', input: [{ role: 'user', content }] })).json();
  const path = `${router.url}/v1/responses/${(first as { id: string }).id}/input_items`;
  const list = await (await fetch(path, { headers: { authorization: `Bearer ${key}` } })).json();
  const [{ id }] = (list as { data: [{ id: string }] }).data;
  await v1('responses', {
    model: 'echo',
    input: [
      { type: 'item_reference', id },
      { role: 'user', content: 'And?' },
    ],
  });
  const [user, next] = asked().messages;
  expect(user?.content).toMatchObject([
    { type: 'text', text: 'Look' },
    { type: 'image_url', image_url: { url } },
  ]);
  expect(next?.content).toBe('And?');
});

test('a client that sends the picture of an answer back is going on with the same session', async () => {
  const agent = await agentOf(router, alice, 'echo');
  const { id } = await router.context.conversations.create(agent);
  const content = `Here: ![cat](${dataUri(png(7, 7))}) done`;
  runner.reply = () => completion(content);
  const said = [{ role: 'user', content: 'Draw' }];
  await v1('chat/completions', { model: 'echo', messages: said }, { 'x-conversation-id': id });
  // It stores the answer itself too, which is no second message.
  const posted = { role: 'assistant', content };
  await alice.request(`/api/conversations/${id}/messages`, { method: 'POST', body: posted });
  expect((await read(id)).map(({ role }) => role)).toEqual(['user', 'assistant']);
});

test('an exported conversation brings its files along, also into the text of answers', async () => {
  const id = await withPictures();
  const before = await read(id);
  const file = await (await alice.request(`/api/conversations/${id}/export`)).text();
  const response = await alice.request('/api/conversations/import?backend=echo', { method: 'POST', body: file });
  expect(response.status).toBe(200);
  const { conversation } = (await response.json()) as { conversation: { id: string } };
  await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
  const [user, answer] = await read(conversation.id);
  expect(user?.attachments?.map(({ name }) => name)).toEqual(before[0]?.attachments?.map(({ name }) => name) ?? []);
  expect(await load(user?.attachments?.[0]?.url ?? '')).toEqual(png(4, 4));
  expect(answer?.content).not.toBe(before[1]?.content);
  const place = /\/api\/attachments\/[0-9a-f]{24}/.exec(answer?.content ?? '')?.[0] ?? '';
  expect(await load(place)).toEqual(png(9, 9));
  const again = await (await alice.request(`/api/conversations/${conversation.id}/export`)).text();
  const said = (text: string) => JSON.stringify(JSON.parse(text).messages).replace(/[0-9a-f]{24}/g, '');
  expect(said(again)).toBe(said(file));
});

test('a file of an import that cannot be attached is refused, and nothing is made', async () => {
  const data = Buffer.from([0, 1, 2]).toString('base64');
  const messages = [{ role: 'user', content: 'x', attachments: [{ name: 'a.bin', data }] }];
  const body = { format: 'agent-stack.conversation', version: 1, messages };
  const count = async () => (await router.context.conversations.list(alice.id)).length;
  const before = await count();
  expect((await alice.request('/api/conversations/import?backend=echo', { method: 'POST', body })).status).toBe(415);
  const large = { ...body, messages: [{ role: 'user', content: 'x'.repeat(4_194_305) }] };
  expect((await alice.request('/api/conversations/import?backend=echo', { method: 'POST', body: large })).status).toBe(
    413,
  );
  expect(await count()).toBe(before);
});

/** Sends a file with so many attachments, some to a message. */
function bring(count: number, data: string, more: object = {}): Promise<Response> {
  const one = { name: 'a.txt', data: Buffer.from(data).toString('base64'), ...more };
  const messages = Array.from({ length: Math.ceil(count / 50) }, (_, at) => ({
    ...{ role: 'user', content: 'See [it](/api/attachments/0)' },
    attachments: Array(Math.min(50, count - at * 50)).fill(one),
  }));
  const body = { format: 'agent-stack.conversation', version: 1, messages };
  return alice.request('/api/conversations/import?backend=echo', { method: 'POST', body });
}

test('an import has no more files than its user has room for', async () => {
  const count = async () => (await router.context.conversations.list(alice.id)).length;
  const before = await count();
  const large = await bring(480, 'a'.repeat(10_000));
  expect([large.status, await large.text()]).toEqual([413, expect.stringContaining('Your files would take more than')]);
  expect(await count()).toBe(before);
});

test('a part of an address in an import is no address of its file', async () => {
  const response = await bring(50, 'a', { id: '0' });
  const { conversation } = (await response.json()) as { conversation: { id: string } };
  expect((await read(conversation.id)).map(({ content }) => content)).toEqual(['See [it](/api/attachments/0)']);
});

test('as Markdown, the names of files stand for them', async () => {
  const id = await withPictures();
  const text = await (await alice.request(`/api/conversations/${id}/export?format=markdown`)).text();
  expect(text).toContain('*sketch of a zebra.png*\n\n*notes.txt*\n\nDraw this');
  expect(text).toContain('Here: [Picture: cat]!');
});

test('a search finds a message by the name of its file', async () => {
  await withPictures();
  await router.context.search.indexAll(new AbortController().signal);
  const page = await (await alice.request('/search?q=zebra')).text();
  expect(page).toContain('<mark>zebra</mark>');
});

test('a fork has the files of its messages, whatever becomes of the first one', async () => {
  const url = dataUri(png(8, 8));
  runner.reply = () => completion(`![cat](${url})`);
  const content = [{ type: 'input_image', image_url: dataUri(png(3, 3)) }];
  const ask = async (more: object) => {
    const response = await v1('responses', { model: 'echo', store: true, ...more });
    return (await response.json()) as { id: string; conversation: { id: string } };
  };
  const first = await ask({ input: [{ role: 'user', content }] });
  await ask({ input: 'Two', previous_response_id: first.id });
  const fork = await ask({ input: 'Other two', previous_response_id: first.id });
  expect(fork.conversation.id).not.toBe(first.conversation.id);
  await alice.request(`/api/conversations/${first.conversation.id}`, { method: 'DELETE' });
  const [user, answer] = await read(fork.conversation.id);
  expect(await load(user?.attachments?.[0]?.url ?? '')).toEqual(png(3, 3));
  const place = /\/api\/attachments\/[0-9a-f]{24}/.exec(answer?.content ?? '')?.[0] ?? '';
  expect(await load(place)).toEqual(png(8, 8));
});
