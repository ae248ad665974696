/** Conversations as files: exported as Markdown and JSON, and imported from that JSON, on the page and by the API. */
import { afterAll, beforeAll, beforeEach, expect, spyOn, test } from 'bun:test';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { agentOf, beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { problemOf } from '../support/runners';
import { scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

interface File {
  readonly format: string;
  readonly version: number;
  readonly title: string;
  readonly messages: readonly {
    role: string;
    content: string;
    status?: string;
    created_at?: number;
    follows?: number;
    hidden?: boolean;
    steps?: object[];
    attachments?: { id: string; name: string; data: string }[];
    missing_files?: { id: string; name: string }[];
  }[];
}

const runner = scriptedRunner('transfer');
let router: TestRouter;
let alice: Person;
let mallory: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(() => {
  const chunk = JSON.stringify({ choices: [{ index: 0, delta: { role: 'assistant', content: 'It is **42**.' } }] });
  const headers = { 'content-type': 'text/event-stream' };
  runner.reply = () => new Response(`data: ${chunk}\n\ndata: [DONE]\n\n`, { headers });
});

async function conversation(text: string): Promise<string> {
  const id = await beginConversation(router, alice, 'echo', text);
  const isDone = async () => (await router.context.conversations.newest(id))?.status !== 'streaming';
  await until(isDone, 'the answer has ended');
  return id;
}
const exported = (who: Person, id: string, format = 'json') =>
  who.request(`/api/conversations/${id}/export?format=${format}`);
const fileOf = async (id: string) => (await (await exported(alice, id)).json()) as File;
const send = (who: Person, body: object, query = '?backend=echo') =>
  who.request(`/api/conversations/import${query}`, { method: 'POST', body });
const read = async (who: Person, id: string) =>
  (await (await who.request(`/api/conversations/${id}`)).json()) as {
    conversation: { title: string; message_count: number };
    messages: { role: string; content: string; status: string; created_at: number }[];
  };
const file = (more: object = {}) => ({
  ...{ format: 'agent-stack.conversation', version: 1, title: 'A title' },
  messages: [
    { role: 'user', content: 'Hello', created_at: 1_700_000_000 },
    { role: 'assistant', content: 'Hi' },
  ],
  ...more,
});

test('an exported conversation is the same when it is imported, and another one', async () => {
  const id = await conversation('What is *it*?\n\nالجواب');
  const before = await fileOf(id);
  const response = await send(alice, before);
  expect(response.status).toBe(200);
  const made = ((await response.json()) as { conversation: { id: string } }).conversation;
  expect(made.id).not.toBe(id);
  const { title, messages } = await fileOf(made.id);
  expect({ title, messages }).toEqual({ title: before.title, messages: before.messages });
  expect((await read(alice, made.id)).messages.map(({ role, content, status }) => [role, content, status])).toEqual([
    ['user', 'What is *it*?\n\nالجواب', 'done'],
    ['assistant', 'It is **42**.', 'done'],
  ]);
});

test('an export names the files whose contents are gone or cannot be read, goes on, and can be imported', async () => {
  const contents = { 'kept.txt': 'kept', 'gone.txt': 'gone', 'odd.txt': 'odd' };
  const attachments = Object.entries(contents).map(([name, text]) => ({ name, data: btoa(`${text} of an export`) }));
  const said = [
    { role: 'user', content: 'Look', attachments },
    { role: 'user', content: '', attachments: attachments.slice(1, 2) },
    { role: 'assistant', content: 'The end' },
  ];
  const imported = await send(alice, file({ title: 'Missing files', messages: said }));
  const { id } = ((await imported.json()) as { conversation: { id: string } }).conversation;
  const pathOf = (text: string) => {
    const hash = new Bun.CryptoHasher('sha256').update(`${text} of an export`).digest('hex');
    return join(router.dataRoot, 'attachments', hash.slice(0, 2), hash);
  };
  await rm(pathOf('gone'));
  await rm(pathOf('odd'));
  await mkdir(pathOf('odd'));

  const whole = await fileOf(id);
  const named = (files?: readonly { name: string }[]) => files?.map(({ name }) => name);
  expect(whole.messages.map((one) => [one.content, named(one.attachments), named(one.missing_files)])).toEqual([
    ['Look', ['kept.txt'], ['gone.txt', 'odd.txt']],
    ['', undefined, ['gone.txt']],
    ['The end', undefined, undefined],
  ]);
  expect(await (await exported(alice, id, 'markdown')).text()).toContain('*gone.txt*');
  const again = await send(alice, whole);
  expect(again.status).toBe(200);
  const copy = ((await again.json()) as { conversation: { id: string } }).conversation;
  expect((await fileOf(copy.id)).messages.map((one) => named(one.attachments))).toEqual([
    ['kept.txt'],
    undefined,
    undefined,
  ]);
  const gone = whole.messages[0]?.missing_files?.[0]?.id ?? '';
  const load = await alice.request(`/api/attachments/${gone}`);
  expect(load.status).toBe(404);
  expect((await problemOf(load)).detail).toBe('The content of this file is missing on the disk.');
});

test('a conversation with 600 files is the same when it is imported, and is found when it is whole', async () => {
  const attached = (at: number) =>
    Array.from({ length: 60 }, (_, index) => ({
      ...{ id: `${at}${index}`.padStart(24, 'a'), name: `${index}.txt`, data: btoa(`file ${at} ${index}`) },
    }));
  const messages = Array.from({ length: 10 }, (_, at) => ({
    ...{ role: 'user', content: `![x](/api/attachments/${attached(at)[7]?.id})`, created_at: at },
    attachments: attached(at),
  }));
  const made = await (await send(alice, file({ messages }))).json();
  const before = await fileOf((made as { conversation: { id: string } }).conversation.id);
  const again = send(alice, before);
  let isOver = false;
  const counts = new Set<number>();
  void again.finally(() => {
    isOver = true;
  });
  await until(async () => {
    const { conversations } = (await (await alice.request('/api/conversations')).json()) as {
      conversations: { title: string; message_count: number }[];
    };
    for (const one of conversations) if (one.title === before.title) counts.add(one.message_count);
    return isOver;
  }, 'the import has ended');
  // Of other tests of this title there are two.
  expect([...counts].filter((count) => count !== 2)).toEqual([10]);
  const { conversation } = (await (await again).json()) as { conversation: { id: string } };
  const plain = (one: File) => JSON.stringify(one.messages).replace(/[0-9a-f]{24}/g, '@');
  const after = await fileOf(conversation.id);
  expect(plain(after)).toBe(plain(before));
  const contents = after.messages.flatMap(
    (one) => (one as { attachments?: { id: string; data: string }[] }).attachments ?? [],
  );
  expect(contents).toHaveLength(600);
  const seventh = contents[7];
  expect(after.messages[0]?.content).toBe(`![x](/api/attachments/${seventh?.id})`);
  expect(await (await alice.request(`/api/attachments/${seventh?.id}`)).text()).toBe('file 0 7');
});

test('the runtime is told what an imported conversation says when it goes on', async () => {
  const response = await send(alice, file());
  const { id } = ((await response.json()) as { conversation: { id: string } }).conversation;
  const sent = await alice.request(`/conversations/${id}/messages`, form({ text: 'And now' }));
  expect(sent.status).toBeLessThan(400);
  await until(() => runner.requests.some(({ text }) => text.includes('And now')), 'it is asked');
  const asked = runner.requests.findLast(({ text }) => text.includes('And now'));
  expect(JSON.parse(asked?.text ?? '')).toMatchObject({
    messages: [
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi' },
      { role: 'user', content: 'And now' },
    ],
  });
});

test('Markdown has the title, who said what and when, and is a file to be saved', async () => {
  const id = await conversation('A "name" / of 一');
  const response = await exported(alice, id, 'markdown');
  expect(response.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
  expect(response.headers.get('content-disposition')).toBe(
    `attachment; filename="conversation.md"; filename*=UTF-8''A-name-of-%E4%B8%80.md`,
  );
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const text = (await response.text()).replace(/\d{4}-\d\d-\d\d \d\d:\d\d/g, 'then');
  expect(text).toBe(
    '# A "name" / of 一\n\n## You · then UTC\n\nA "name" / of 一\n\n## echo · then UTC\n\nIt is **42**.\n',
  );
});

test('steps and hidden variants are exported, and are there again after an import', async () => {
  const headers = { 'content-type': 'text/event-stream' };
  runner.reply = () => {
    const deltas = [{ reasoning_content: 'Which one?' }, { content: 'The first.' }];
    const events = deltas.map((delta) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`);
    return new Response(`${events.join('')}data: [DONE]\n\n`, { headers });
  };
  const id = await conversation('first wording');
  const first = (await fileOf(id)).messages;
  const [question] = (await read(alice, id)).messages as unknown as { id: string }[];
  await alice.request(`/messages/${question?.id}/edit`, form({ text: 'second wording' }));
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'it has ended');
  const { title, messages } = await fileOf(id);
  expect(first.map((one) => one.content)).toEqual(['first wording', 'The first.']);
  expect(messages.map(({ content, follows, hidden }) => [content, follows, hidden])).toEqual([
    ['first wording', undefined, true],
    ['The first.', undefined, true],
    ['second wording', 0, undefined],
    ['The first.', undefined, undefined],
  ]);
  expect(messages[3]?.steps).toMatchObject([{ kind: 'thought', text: 'Which one?' }]);
  const made = ((await (await send(alice, await fileOf(id))).json()) as { conversation: { id: string } }).conversation;
  expect(await fileOf(made.id)).toMatchObject({ title, messages } as object);
  const html = await (await alice.request(`/conversations/${made.id}`)).text();
  expect((await all(html, '.variants span')).map(({ text }) => text)).toEqual(['2 of 2']);
  expect(await (await exported(alice, made.id, 'markdown')).text()).toContain(
    '<summary>Thought</summary>\n\nWhich one?\n',
  );
});

test('nobody exports a conversation of somebody else, or imports into their agent', async () => {
  const id = await conversation('Mine');
  for (const format of ['json', 'markdown']) expect((await exported(mallory, id, format)).status).toBe(404);
  const agent = await agentOf(router, alice, 'echo');
  expect((await send(mallory, file(), `?agent_id=${agent.id}`)).status).toBe(404);
  expect((await mallory.request(`/agents/${agent.id}/import`, { method: 'POST', body: file() })).status).toBe(404);
});

const wrong: Record<string, [body: object, place: RegExp]> = {
  'another format': [file({ format: 'other' }), /^file\/format: expected "agent-stack.conversation"/],
  'another version': [file({ version: 2 }), /^file\/version: expected 1 \(got 2\)/],
  'no messages': [file({ messages: [] }), /^file\/messages: /],
  'a role': [
    file({ messages: [file().messages[0], { role: 'system', content: 'x' }] }),
    /^file\/messages\/1\/role: expected "user", "assistant" or "notice" \(got "system"\)/,
  ],
  'a text that is none': [file({ messages: [{ role: 'user', content: 1 }] }), /^file\/messages\/0\/content: /],
  'an answer that is written': [
    file({ messages: [{ role: 'assistant', content: 'x', status: 'streaming' }] }),
    /^file\/messages\/0\/status: /,
  ],
  'a member that nobody knows': [
    file({ messages: [{ role: 'user', content: 'x', position: 7 }] }),
    /^file\/messages\/0\/position: /,
  ],
  'a time that is none': [
    file({ messages: [{ role: 'user', content: 'x', created_at: -1 }] }),
    /^file\/messages\/0\/created_at: /,
  ],
  'a message that follows a later one': [
    file({ messages: [{ role: 'user', content: 'x', follows: 1 }] }),
    /^file\/messages\/0\/follows: expected at most 0/,
  ],
  'two shown paths': [
    file({ messages: [...file().messages, { role: 'user', content: 'x', follows: 0 }] }),
    /^file\/messages\/2\/hidden: expected true/,
  ],
  'a step that is none': [
    file({ messages: [{ role: 'assistant', content: 'x', steps: [{ kind: 'other' }] }] }),
    /^file\/messages\/0\/steps\/0/,
  ],
  'too many messages': [
    file({ messages: Array.from({ length: 10_001 }, () => ({ role: 'user', content: 'x' })) }),
    /^file\/messages: /,
  ],
};
for (const [name, [body, place]] of Object.entries(wrong)) {
  test(`a file is refused with the place of ${name}, and nothing is stored`, async () => {
    const before = await router.context.conversations.list(alice.id);
    const response = await send(alice, body);
    expect(response.status).toBe(400);
    expect((await problemOf(response)).detail).toMatch(place);
    expect(await router.context.conversations.list(alice.id)).toEqual(before);
  });
}

test('a file that is no JSON is refused with where it breaks, and a long one for its length', async () => {
  const post = (body: string) =>
    alice.request('/api/conversations/import?backend=echo', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  expect((await post('{"format": agent}')).status).toBe(400);
  const long = JSON.stringify(file({ messages: [{ role: 'user', content: 'x'.repeat(4_300_000) }] }));
  expect((await post(long)).status).toBe(413);
});

function upload(content: string, name = 'file'): FormData {
  const body = new FormData();
  body.set(name, new File([content], 'conversation.json', { type: 'application/json' }));
  return body;
}

test('the page of an agent takes a file, and says in its place why it takes another one not', async () => {
  const agent = await agentOf(router, alice, 'echo');
  const path = `/agents/${agent.id}/import`;
  const taken = await alice.request(path, { method: 'POST', body: upload(JSON.stringify(file())) });
  expect(taken.status).toBe(303);
  const page = await (await alice.request(taken.headers.get('location') ?? '')).text();
  expect((await all(page, '#conversation-title')).map(({ text }) => text)).toEqual(['A title']);
  const refused = await alice.request(path, {
    method: 'POST',
    body: upload(JSON.stringify(file({ messages: [{ role: 'user' }] }))),
  });
  expect(refused.status).toBe(400);
  const [error] = await all(await refused.text(), '#import-error');
  expect(error?.text).toContain('file/messages/0/content');
  const without = await alice.request(path, { method: 'POST', body: upload('', 'other') });
  expect((await all(await without.text(), '#import-error'))[0]?.text).toBe('Choose a file first.');
});

test('the bytes of a file are held until it is imported', async () => {
  const { held, transfer } = router.context;
  const { import: imported } = transfer;
  const heldBytes: number[] = [];
  using _ = spyOn(transfer, 'import').mockImplementation((...file) => {
    heldBytes.push(held.total);
    return imported(...file);
  });
  const long = JSON.stringify(file({ messages: [{ role: 'user', content: 'x'.repeat(200_000) }] }));
  const agent = await agentOf(router, alice, 'echo');
  await alice.request(`/agents/${agent.id}/import`, { method: 'POST', body: upload(long) });
  await send(alice, JSON.parse(long));
  expect(heldBytes.map((bytes) => bytes > 200_000)).toEqual([true, true]);
  expect(held.total).toBe(0);
});

test('a long message is held until its client has read it, in a conversation and in a file of one', async () => {
  const content = 'x'.repeat(15_000_000);
  const { held } = router.context;
  const delta = { role: 'assistant', content };
  const events = `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\ndata: [DONE]\n\n`;
  runner.reply = () => new Response(events, { headers: { 'content-type': 'text/event-stream' } });
  const id = await conversation('A lot');
  const { hostname, port } = new URL(router.url);
  for (const path of ['', '/export?format=json', '/export?format=markdown']) {
    const socket = await Bun.connect({ hostname, port: Number(port), socket: { data: (one) => one.pause() } });
    socket.write(
      `GET /api/conversations/${id}${path} HTTP/1.1\r\nhost: ${hostname}\r\ncookie: ${alice.cookie}\r\n\r\n`,
    );
    await until(() => held.total > content.length, 'it is on its way');
    socket.terminate();
    await until(() => held.total === 0, 'its memory is given back');
    const whole = await (await alice.request(`/api/conversations/${id}${path}`)).text();
    expect([whole.includes(content), held.total]).toEqual([true, 0]);
  }
});

test('a client that leaves while a long message is read for it leaves nothing held', async () => {
  const id = await conversation('x'.repeat(100_000));
  const { attachments, held } = router.context;
  const { ofMessages } = attachments;
  for (const path of ['', '/export?format=json', '/export?format=markdown']) {
    const [reading, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    using _ = spyOn(attachments, 'ofMessages').mockImplementation(async (...said) => {
      reading.resolve();
      await left.promise;
      return ofMessages(...said);
    });
    const reader = (await alice.request(`/api/conversations/${id}${path}`)).body?.getReader();
    await reader?.read();
    const rest = reader?.read();
    await reading.promise;
    await reader?.cancel();
    left.resolve();
    await rest;
    // The message is there only now.
    await new Promise((resolve) => setImmediate(resolve));
    expect([path, held.total]).toEqual([path, 0]);
  }
});

test('where there is no room for a long message, a conversation breaks off, and is whole when there is again', async () => {
  const id = await conversation('x'.repeat(100_000));
  const { config, held } = router.context;
  for (const path of ['', '/export?format=json', '/export?format=markdown']) {
    const read = async () => {
      const url = `${router.url}/api/conversations/${id}${path}`;
      return (await fetch(url, { headers: { cookie: alice.cookie } })).text();
    };
    const taken = held.take(alice.id, config.held.perHolder - 50_000);
    await expect(read()).rejects.toThrow();
    taken.end();
    expect(await read()).toContain('It is **42**.');
  }
});
