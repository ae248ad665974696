/** Pictures in answers: stored with the conversation, shown from there, and never loaded from anywhere else. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { agentOf, beginConversation } from '../support/chat';
import { dataUri, png } from '../support/files';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { DONE, scriptedRunner } from '../support/scripted-runner';
import { event } from '../support/sse';
import { all } from '../views/dom';

const runner = scriptedRunner('answer-pictures');
let router: TestRouter;
let alice: Person;
let key: string;
beforeAll(async () => {
  const backends = [
    memoryBackend('echo', { attachments: true }, runner.program),
    memoryBackend('responds', { paths: ['chat/completions', 'responses', 'models'] }, runner.program),
  ];
  router = await startRouter({
    backends,
    env: { MAX_ATTACHMENT_BYTES: '20000', MAX_ATTACHMENT_BYTES_PER_USER: '60000' },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  runner.reply = () => stream({ content: 'Nothing.' });
});

function stream(...deltas: object[]): Response {
  const chunks = deltas.map((delta) => event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta }] }));
  return new Response(chunks.join('') + DONE, { headers: { 'content-type': 'text/event-stream' } });
}
const image = (bytes: Uint8Array) => ({ type: 'image_url', image_url: { url: dataUri(bytes) } });
const pieces = (text: string, length: number) => text.match(new RegExp(`.{1,${length}}`, 'gs')) ?? [];

async function ask(text = 'Draw'): Promise<string> {
  const id = await beginConversation(router, alice, 'echo', text);
  await answered(id);
  return id;
}
async function answered(id: string): Promise<void> {
  const isOver = async () => (await router.context.conversations.newest(id))?.status !== 'streaming';
  await until(isOver, 'the answer has ended');
}
async function textOf(id: string, who = alice): Promise<string> {
  const { messages } = (await (await who.request(`/api/conversations/${id}`)).json()) as {
    messages: { content: string }[];
  };
  return messages.at(-1)?.content ?? '';
}
const PLACE = /\/api\/attachments\/[0-9a-f]{24}/g;
const placesIn = (text: string) => text.match(PLACE) ?? [];
const plain = (text: string) => text.replace(PLACE, '@');
const load = async (url: string) => new Uint8Array(await (await alice.request(url)).arrayBuffer());

test.each([1, 2, 7, 64, 100_000])(
  'a picture in Markdown is taken out of the text, %p characters at a time',
  async (length) => {
    const [first, second] = [png(5, 4), png(6, 3)];
    const said = `Look! ![A *cat*](${dataUri(first)}) and ![](<${dataUri(second)}> "title")! [x](https://a.example) !`;
    runner.reply = () => stream(...pieces(said, length).map((content) => ({ content })));
    const text = await textOf(await ask());
    expect(plain(text)).toBe('Look! ![A *cat*](@#5x4) and ![image](@#6x3)! [x](https://a.example) !');
    const [one = '', two = ''] = placesIn(text);
    expect(await load(one)).toEqual(first);
    expect(await load(two)).toEqual(second);
  },
);

test('pictures beside the text, as gateways send them, stand where they came, whole or in a stream', async () => {
  const bytes = png(8, 8);
  const delta = { content: 'Here:', images: [image(bytes)] };
  for (const reply of [
    () => stream({ content: 'Here:' }, { images: [image(bytes)] }, { content: 'Done.' }),
    () => stream(delta, { content: 'Done.' }),
    () => stream({ content: [{ type: 'text', text: 'Here:' }, image(bytes)] }, { content: 'Done.' }),
  ]) {
    runner.reply = reply;
    const text = await textOf(await ask());
    expect(plain(text)).toBe('Here:\n\n![image](@#8x8)\n\nDone.');
    expect(await load(placesIn(text)[0] ?? '')).toEqual(bytes);
  }
});

test('the page shows it from here, and anything else is a link that nobody follows by itself', async () => {
  const outside = 'https://evil.example/pixel.png';
  const content = `![Mine](${dataUri(png(5, 4))}) ![Theirs](${outside}) ![x](/settings) ![y](/api/attachments/zz)`;
  runner.reply = () => stream({ content });
  const id = await ask();
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const images = await all(page, '.answer img');
  expect(images.map(({ attributes }) => attributes)).toMatchObject([{ alt: 'Mine', width: '5', height: '4' }]);
  expect(page).not.toContain('src="http');
  expect((await all(page, `.answer a[href="${outside}"]`)).map(({ text }) => text)).toEqual(['Theirs (evil.example)']);
});

test('a picture beside the text that is elsewhere is a link, and its address is told to the runtime again', async () => {
  const url = 'https://elsewhere.example/a (1).png';
  runner.reply = () => stream({ content: 'Here:', images: [{ type: 'image_url', image_url: { url } }] });
  const id = await ask();
  expect(await textOf(id)).toBe('Here:\n\n![](https://elsewhere.example/a%20%281%29.png)\n\n');
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect((await all(page, '.answer .prose a')).map(({ text }) => text)).toEqual(['elsewhere.example/a%20%281%29.png']);
  expect(await all(page, 'article img')).toEqual([]);
});

test('what claims to be a picture and is none, or is too large, leaves its words', async () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>').toString('base64');
  const large = Buffer.concat([png(), Buffer.alloc(30_000)]);
  const content = `![a](data:image/svg+xml;base64,${svg}) ![b](${dataUri(large)}) ![c](data:image/png;base64,AA!A) end`;
  runner.reply = () => stream(...pieces(content, 5_000).map((piece) => ({ content: piece })));
  const text = await textOf(await ask());
  expect(text).toStartWith('[a] [b] [c]');
  expect(text).toEndWith('end');
  expect(text.length).toBeLessThan(100);
});

test('pictures of one answer beyond the room of its user are not stored', async () => {
  const url = dataUri(Buffer.concat([png(), Buffer.alloc(18_000)]));
  runner.reply = () => stream({ content: `![a](${url})`.repeat(5) });
  const owner = await router.person(PEOPLE.mallory);
  const id = await beginConversation(router, owner, 'echo', 'Draw');
  await answered(id);
  const text = await textOf(id, owner);
  const statuses = await Promise.all(placesIn(text).map(async (url) => (await owner.request(url)).status));
  expect(statuses).toEqual([200, 200, 200, 404, 404]);
});

test('of two hundred pictures in one answer the first twenty are kept, each content once, and of the others their words', async () => {
  const broken = '![broken](data:image/png;base64,iVBOR===) ![no data](data:image/png;base64,@@@@) ';
  const said = (shade: (n: number) => number) =>
    Array.from({ length: 200 }, (_, n) => `![p${n}](${dataUri(png(3, 2, shade(n)))}) `).join('');
  for (const [content, contents] of [
    [said((n) => n), 20],
    [said(() => 7), 1],
  ] as const) {
    runner.reply = () => stream(...pieces(content + broken, 1_000).map((piece) => ({ content: piece })));
    const text = await textOf(await ask());
    const kept = Array.from({ length: 20 }, (_, n) => `![p${n}](@#3x2) `);
    const left = Array.from({ length: 180 }, (_, n) => `[p${n + 20}] `);
    expect(plain(text)).toStartWith([...kept, ...left, '[broken] [no data]'].join(''));
    const loaded = await Promise.all(placesIn(text).map(load));
    expect(new Set(loaded.map((bytes) => Bun.hash(bytes))).size).toBe(contents);
  }
});

test('an answer that breaks off in the middle of a picture keeps the rest', async () => {
  runner.reply = () => stream({ content: `Before ![half](${dataUri(png()).slice(0, -30)}` });
  const text = await textOf(await ask());
  expect(text).toStartWith('Before ');
  expect(text).not.toContain('base64');
});

test('a client of /v1 gets the bytes as they came, and its conversation has the picture', async () => {
  const bytes = png(9, 9);
  const content = `Here: ![cat](${dataUri(bytes)})`;
  const choice = { index: 0, message: { role: 'assistant', content, images: [image(bytes)] }, finish_reason: 'stop' };
  runner.reply = () => Response.json({ object: 'chat.completion', choices: [choice] });
  const agent = await agentOf(router, alice, 'echo');
  const { id } = await router.context.conversations.create(agent);
  const headers = { authorization: `Bearer ${key}`, 'x-conversation-id': id };
  const body = { model: 'echo', messages: [{ role: 'user', content: 'Draw' }] };
  const response = await router.request('/v1/chat/completions', { method: 'POST', headers, body });
  expect(await response.json()).toMatchObject({ choices: [{ message: { content, images: [image(bytes)] } }] });
  await answered(id);
  const text = await textOf(id);
  expect(plain(text)).toBe('Here: ![cat](@#9x9)\n\n![image](@#9x9)\n\n');
  for (const place of placesIn(text)) expect(await load(place)).toEqual(bytes);
});

test("the pictures of a response's image generation are stored too", async () => {
  const bytes = png(4, 4);
  const item = {
    type: 'image_generation_call',
    id: 'ig_1',
    status: 'completed',
    result: Buffer.from(bytes).toString('base64'),
  };
  runner.reply = () =>
    new Response(
      event({ type: 'response.output_text.delta', delta: 'Here:' }) +
        event({ type: 'response.output_item.done', output_index: 1, item }) +
        event({ type: 'response.completed', response: { output: [item] } }),
      { headers: { 'content-type': 'text/event-stream' } },
    );
  const agent = await agentOf(router, alice, 'responds');
  const { id } = await router.context.conversations.create(agent);
  const headers = { authorization: `Bearer ${key}`, 'x-conversation-id': id };
  const body = { model: 'responds', input: 'Draw', stream: true };
  await (await router.request('/v1/responses', { method: 'POST', headers, body })).text();
  await answered(id);
  const text = await textOf(id);
  expect(plain(text)).toBe('Here:\n\n![image](@#4x4)\n\n');
  expect(await load(placesIn(text)[0] ?? '')).toEqual(bytes);
});

test('a runtime is told the picture of its answer with the next message, and words in its place', async () => {
  const bytes = png(7, 5);
  runner.reply = () => stream({ content: `![A cat](${dataUri(bytes)})` });
  const id = await ask();
  runner.reply = () => stream({ content: 'Blue.' });
  await alice.request(`/conversations/${id}/messages`, form({ text: 'Make it blue' }));
  await answered(id);
  const { messages } = JSON.parse(runner.requests.at(-1)?.text ?? '');
  expect(messages[1]).toEqual({ role: 'assistant', content: '[Picture: A cat]' });
  expect(messages[2].content).toEqual([
    { type: 'text', text: 'Make it blue' },
    { type: 'text', text: `\n\nFile "image-1.png" (image/png, ${bytes.length} bytes):` },
    { type: 'image_url', image_url: { url: dataUri(bytes) } },
  ]);
});

test('another user does not see it, and it goes with its conversation', async () => {
  runner.reply = () => stream({ images: [image(png(3, 3, 7))] });
  const id = await ask();
  const [place = ''] = placesIn(await textOf(id));
  const mallory = await router.person(PEOPLE.mallory);
  expect((await mallory.request(place)).status).toBe(404);
  await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
  expect((await alice.request(place)).status).toBe(404);
});
