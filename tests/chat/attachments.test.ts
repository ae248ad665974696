/** Files that people attach to messages: stored once, told to the runtime, shown to their owner only. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { roomForFiles } from '../../router/chat/attachments/room';
import { agentOf } from '../support/chat';
import { dataUri, messageForm, png } from '../support/files';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { problemOf } from '../support/runners';
import { chunk, DONE, scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const HOUR_MS = 3_600_000;
const runner = scriptedRunner('attachments');
let nowMs = Date.UTC(2026, 10, 27);
let router: TestRouter;
let alice: Person;
let mallory: Person;
beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo', { attachments: true }, runner.program),
      memoryBackend('blind', {}, runner.program),
      memoryBackend('remembers', { attachments: true, history: 'last-turn' }, runner.program),
    ],
    env: {
      MAX_ATTACHMENT_BYTES: '4096',
      MAX_ATTACHMENTS: '3',
      ATTACHMENT_MESSAGES: '3',
      MAX_ATTACHMENT_BYTES_PER_USER: '20000',
    },
    now: () => nowMs,
    steady: () => performance.now(),
  });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  const headers = { 'content-type': 'text/event-stream' };
  runner.reply = () => new Response(chunk('Seen.') + DONE, { headers });
});

type Files = Parameters<typeof messageForm>[1];
interface Sent {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}
const newestRequest = () => JSON.parse(runner.requests.at(-1)?.text ?? '') as Sent;

async function begin(text: string, files: Files, { who = alice, backend = 'echo' } = {}): Promise<string> {
  const agent = await agentOf(router, who, backend);
  const response = await who.request(`/agents/${agent.id}/conversations`, messageForm(text, files));
  expect([response.status, await response.text()]).toEqual([303, '']);
  const id = response.headers.get('location')?.split('/').at(-1) ?? '';
  await answered(id);
  return id;
}
async function answered(id: string): Promise<void> {
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'the answer has ended');
}
async function say(id: string, text: string, files: Files = {}): Promise<void> {
  const response = await alice.request(`/conversations/${id}/messages`, messageForm(text, files));
  expect(response.status).toBe(303);
  await answered(id);
}
interface Told {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly attachments?: readonly {
    readonly id: string;
    readonly name: string;
    readonly type: string;
    readonly url: string;
  }[];
}
async function read(id: string, who = alice): Promise<readonly Told[]> {
  const { messages } = (await (await who.request(`/api/conversations/${id}`)).json()) as { messages: readonly Told[] };
  return messages;
}
const attachedTo = async (id: string) => (await read(id)).flatMap(({ attachments }) => attachments ?? []);
/** The names of the files below the attachments' folder. */
async function stored(): Promise<string[]> {
  const names = await readdir(join(router.dataRoot, 'attachments'), { recursive: true });
  return names.filter((name) => name.includes('/')).map((name) => name.split('/').at(-1) ?? '');
}
const one = async (html: string, selector: string) => (await all(html, selector))[0];
const hashOf = (bytes: Uint8Array | string) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');

test('a picture and a text go to the runtime as content parts with their names', async () => {
  const picture = png();
  await begin('What is this?', { 'cat.png': picture, 'notes.md': 'line 1\n"line" 2 你好' });
  expect(newestRequest().messages).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'text', text: `\n\nFile "cat.png" (image/png, ${picture.length} bytes):` },
        { type: 'image_url', image_url: { url: dataUri(picture) } },
        { type: 'text', text: '\n\nFile "notes.md" (text/plain, 22 bytes):\n\nline 1\n"line" 2 你好' },
      ],
    },
  ]);
});

test('the page shows a picture in its place and a text as a download, and both are there as they were sent', async () => {
  const picture = png(40, 30);
  const id = await begin('Look', { 'cat.png': picture, 'notes.md': '# hi' });
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const image = (await one(page, '.message.user img'))?.attributes;
  expect(image).toMatchObject({ alt: 'cat.png', width: '40', height: '30' });
  const shown = await alice.request(image?.src ?? '');
  expect(new Uint8Array(await shown.arrayBuffer())).toEqual(picture);
  expect(Object.fromEntries(shown.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-disposition': `inline; filename="cat.png"; filename*=UTF-8''cat.png`,
    'cache-control': 'private, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  });
  const link = (await one(page, '.message.user a.chip'))?.attributes;
  const text = await alice.request(link?.href ?? '');
  expect(await text.text()).toBe('# hi');
  expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(text.headers.get('content-disposition')).toStartWith('attachment; ');
});

test('what is no picture is never shown as a page: SVG and HTML are text to download', async () => {
  const id = await begin('x', { 'a.svg': '<svg onload="alert(1)"/>', 'b.png': '<script>alert(1)</script>' });
  for (const { url, type } of await attachedTo(id)) {
    expect(type).toBe('text/plain');
    const response = await alice.request(url);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('content-disposition')).toStartWith('attachment; ');
  }
});

test("another user's attachment is not found, and neither is one of a deleted conversation", async () => {
  const id = await begin('mine', { 'a.txt': 'secret' });
  const [file] = await attachedTo(id);
  expect((await mallory.request(file?.url ?? '')).status).toBe(404);
  expect((await router.request(file?.url ?? '')).status).toBe(401);
  await alice.request(`/conversations/${id}/delete`, form({}));
  expect((await alice.request(file?.url ?? '')).status).toBe(404);
  await alice.request(`/conversations/${id}/shelf`, form({ shelf: 'list' }));
  expect((await alice.request(file?.url ?? '')).status).toBe(200);
});

test('a message may be files alone, and its conversation is called by the first', async () => {
  const id = await begin('', { 'report.txt': 'r' });
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect((await one(page, '#conversation-title'))?.text).toBe('report.txt');
  expect(await all(page, '.bubble')).toEqual([]);
  expect(newestRequest().messages).toHaveLength(1);
});

test.each([
  ['is larger than 4 KB', 413, { 'big.txt': 'x'.repeat(4_097) }],
  ['is neither a picture (PNG, JPEG, GIF or WebP) nor text', 415, { 'a.png': new Uint8Array([0, 1, 2, 255]) }],
  ['is neither a picture', 415, { 'a.pdf': new Uint8Array([0x25, 0x50, 0x44, 0x46, 0, 0xff]) }],
  ['is empty', 400, { 'empty.txt': '' }],
  ['A message has at most 3 files.', 400, { a: '1', b: '2', c: '3', d: '4' }],
  ['Your files would take more than 19 KB', 413, undefined],
])('a refused file leaves the composer with the text and the reason: %s', async (reason, status, files) => {
  const id = await begin('Hello', {});
  const sent = files ?? { a: 'a'.repeat(4_000), b: 'b'.repeat(4_000), c: 'c'.repeat(4_000) };
  if (!files) await begin('fills up', { d: 'd'.repeat(4_000), e: 'e'.repeat(4_000), f: 'f'.repeat(4_000) });
  const response = await alice.request(`/conversations/${id}/messages`, {
    ...messageForm('kept & safe', sent),
    headers: { 'hx-request': 'true' },
  });
  const composer = await response.text();
  expect(response.status).toBe(status);
  expect((await one(composer, '[role="alert"]'))?.text).toContain(reason);
  expect(composer).toContain('kept &amp; safe</textarea>');
  expect(await read(id)).toHaveLength(2);
});

test('a backend that does not say that it takes files gets none, and its composer offers none', async () => {
  const agent = await agentOf(router, alice, 'blind');
  const response = await alice.request(`/agents/${agent.id}/conversations`, messageForm('x', { a: 'a' }));
  expect(response.status).toBe(400);
  const page = await response.text();
  expect((await one(page, '#composer-error'))?.text).toBe('This agent takes no files.');
  expect(await all(page, 'input[type="file"][name="files"]')).toEqual([]);
});

test('the files of the newest messages are told again, and a note stands in for those of older ones', async () => {
  const picture = png();
  const id = await begin('First', { 'old.txt': 'old words' });
  await say(id, 'Second', { 'cat.png': picture });
  expect(JSON.stringify(newestRequest().messages)).toContain('old words');
  await say(id, 'Third');
  const told = JSON.stringify(newestRequest().messages);
  expect(told).not.toContain('old words');
  expect(told).toContain('[File \\"old.txt\\" (text/plain, 9 bytes) was here.]');
  expect(told).toContain(dataUri(picture));
});

test('a runtime that remembers is sent the files of the new message only', async () => {
  const id = await begin('First', { 'old.txt': 'old words' }, { backend: 'remembers' });
  await say(id, 'Second', { 'new.txt': 'new words' });
  const told = JSON.stringify(newestRequest().messages);
  expect(told).toContain('new words');
  expect(told).not.toContain('old words');
});

test('a refusal of the model is shown, and the file is there to be sent again', async () => {
  const id = await begin('Hello', {});
  const message = 'This model does not support image input.';
  runner.reply = () => Response.json({ error: { message, type: 'invalid_request_error' } }, { status: 400 });
  await alice.request(`/conversations/${id}/messages`, messageForm('See', { 'cat.png': png() }));
  await until(async () => (await router.context.conversations.newest(id))?.status === 'failed', 'it has failed');
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect(page).toContain(message);
  runner.reply = () => new Response(chunk('Seen.') + DONE, { headers: { 'content-type': 'text/event-stream' } });
  const failed = (await read(id)).at(-1);
  await alice.request(`/messages/${failed?.id}/retry`, form({}));
  await answered(id);
  expect(JSON.stringify(newestRequest())).toContain('data:image/png;base64,');
});

test('a message that is said otherwise keeps the files that stay ticked', async () => {
  const id = await begin('One', { 'a.txt': 'aaa', 'b.txt': 'bbb' });
  const [message] = await read(id);
  const page = await (await alice.request(`/messages/${message?.id}/edit`)).text();
  expect(await all(page, 'input[name="keep"][checked]')).toHaveLength(2);
  const [keep] = await attachedTo(id);
  await alice.request(`/messages/${message?.id}/edit`, form({ text: 'Two', keep: keep?.id ?? '' }));
  await answered(id);
  expect((await attachedTo(id)).map(({ name }) => name)).toEqual(['a.txt']);
  expect(JSON.stringify(newestRequest())).not.toContain('bbb');
});

test('a content is stored once, stays while any message has it, and goes an hour after the last', async () => {
  const content = 'the same words in two conversations';
  const [first, second] = [await begin('1', { a: content }), await begin('2', { b: content })];
  const there = async () => (await stored()).filter((name) => name === hashOf(content)).length;
  const sweep = async () => {
    await router.context.conversations.deleteExpired();
    await router.context.attachments.sweep();
  };
  expect(await there()).toBe(1);
  for (const id of [first, second]) {
    expect(await there()).toBe(1);
    await alice.request(`/api/conversations/${id}`, { method: 'DELETE' });
    await sweep();
    nowMs += HOUR_MS + 1;
    await sweep();
  }
  // A sweep removes what it has time for.
  await until(async () => {
    await sweep();
    return (await there()) === 0;
  }, 'it is gone');
});

test('the files of a deleted account go with it', async () => {
  const bob = await router.person(PEOPLE.bob);
  await begin('bye', { a: 'what Bob had' }, { who: bob });
  expect(await stored()).toContain(hashOf('what Bob had'));
  const response = await bob.request('/api/me', { method: 'DELETE', body: { password: PEOPLE.bob.password } });
  expect(response.status).toBe(204);
  await router.context.attachments.sweep();
  nowMs += HOUR_MS + 1;
  await until(async () => {
    await router.context.attachments.sweep();
    return !(await stored()).includes(hashOf('what Bob had'));
  }, 'it is gone');
});

const upload = (who: Person, id: string, name: string, body: Uint8Array) =>
  who.request(`/api/conversations/${id}/attachments?name=${name}`, { method: 'POST', body: body as BodyInit });

test('a program uploads files and stores a message with them', async () => {
  const id = await begin('Hello', {});
  const made = (await (await upload(alice, id, 'cat.png', png(7, 7, 9))).json()) as { attachment: { id: string } };
  expect(made.attachment).toMatchObject({ name: 'cat.png', type: 'image/png' });
  const body = { role: 'user', content: 'See', attachments: [made.attachment.id] };
  const response = await alice.request(`/api/conversations/${id}/messages`, { method: 'POST', body });
  expect(await response.json()).toMatchObject({ message: { attachments: [{ name: 'cat.png' }] } });
  // It is of that message now.
  const again = await alice.request(`/api/conversations/${id}/messages`, { method: 'POST', body });
  expect(await problemOf(again)).toMatchObject({ code: 'not_found' });
});

test("a program's upload is refused like a person's, and one that nobody sends goes after a day", async () => {
  const id = await begin('Hello', {});
  expect((await upload(mallory, id, 'a.txt', png())).status).toBe(404);
  expect((await upload(alice, id, 'a.txt', new Uint8Array(4_097).fill(65))).status).toBe(413);
  expect((await upload(alice, id, 'a.bin', new Uint8Array([0]))).status).toBe(415);
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const { attachment } = (await (await upload(alice, id, name, png(1, 1, name.charCodeAt(0)))).json()) as {
      attachment: { id: string };
    };
    ids.push(attachment.id);
  }
  expect((await upload(alice, id, 'd', png())).status).toBe(400);
  const body = { role: 'user', content: 'x', attachments: ids };
  const other = await begin('Other', {});
  const response = await alice.request(`/api/conversations/${other}/messages`, { method: 'POST', body });
  expect(response.status).toBe(404);
  nowMs += 24 * HOUR_MS + 1;
  await router.context.attachments.sweep();
  expect((await alice.request(`/api/attachments/${ids[0]}`)).status).toBe(404);
});

test('files that come at once into one conversation are together no more than a message may have', async () => {
  const id = await begin('Hello', {});
  const names = ['a', 'b', 'c', 'd', 'e'];
  const answers = await Promise.all(names.map((name) => upload(alice, id, name, png(1, 1, name.charCodeAt(0)))));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 400, 400]);
  nowMs += 24 * HOUR_MS + 1;
  await router.context.attachments.sweep();
});

test('files that come at once are together no more than a user may have, and those that are refused take no room', async () => {
  const bob = await router.person(PEOPLE.bob);
  const ids = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const begun = await bob.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
      return ((await begun.json()) as { conversation: { id: string } }).conversation.id;
    }),
  );
  const upload = async (to: readonly string[], character: string) => {
    const post = { method: 'POST', body: character.repeat(4_000) };
    const answers = await Promise.all(to.map((id) => bob.request(`/api/conversations/${id}/attachments?name=a`, post)));
    return answers.map(({ status }) => status).sort();
  };
  expect(await upload(ids, '\0')).toEqual(ids.map(() => 415));
  expect(await upload(ids, 'a')).toEqual([200, 200, 200, 200, 200, 413]);
  expect(await upload(ids, 'b')).toEqual(ids.map(() => 413));
});

test('files that the database fails to count take no room', async () => {
  const store = { bytesOf: () => Promise.reject<number>(new Error('The disk is full.')) };
  const room = roomForFiles(store, 1_000);
  await expect(room.take('bob', 900)).rejects.toThrow('The disk is full.');
  store.bytesOf = () => Promise.resolve(0);
  using taken = await room.take('bob', 900);
  expect(taken).toBeDefined();
});
