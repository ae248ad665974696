/** Messages and conversations that are too long for a page: the part that the page shows, and the link to the rest. */
import { afterAll, expect, test } from 'bun:test';
import { newId } from '../../router/lib/ids';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';
import { all } from '../views/dom';

const runner = scripted('long');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
const mallory = await router.person(PEOPLE.mallory);
afterAll(() => router[Symbol.asyncDispose]());

/** The longest text of a message on a page, in UTF-16 units. */
const SHOWN = 64 * 1024;
const fill = (atom: string, length: number) => atom.repeat(Math.ceil(length / atom.length)).slice(0, length);

/** A conversation with these turns, written directly into the database. */
async function conversation(turns: readonly { text: string; answer: string }[]): Promise<string> {
  const backend = router.context.backends.find('scribe');
  if (!backend) throw new Error('No backend');
  const { id } = await router.context.conversations.create(await router.context.agents.defaultOf(alice.id, backend));
  for (const { text, answer } of turns) {
    const ids = { conversationId: id, answerId: newId(), title: 'long', nowMs: Date.now() };
    const turn = await router.context.stores.conversations.insertTurn({ ...ids, user: { id: newId(), content: text } });
    const end = { status: 'done', text: { content: answer }, calls: [], nowMs: Date.now() } as const;
    await router.context.stores.conversations.endAnswer(turn?.answer.id ?? '', end);
  }
  return id;
}

async function pageOf(path: string): Promise<string> {
  const response = await alice.request(path, { headers: { accept: 'text/html' } });
  expect(response.status).toBe(200);
  return response.text();
}

/** Reads a live stream continuously. */
async function watch(path: string) {
  const reader = (await alice.request(path)).body?.getReader();
  const decoder = new TextDecoder();
  const watched = {
    seen: '',
    async [Symbol.asyncDispose]() {
      await reader?.cancel();
    },
  };
  void (async () => {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      watched.seen += decoder.decode(part.value, { stream: true });
    }
  })();
  return watched;
}

test('a page shows the beginning of a very long answer, and a link to the whole of it', async () => {
  const answer = `# The beginning\n\n${fill('A word, another. ', 3_000_000)}\n\nThe end.`;
  const page = await pageOf(`/conversations/${await conversation([{ text: 'go on', answer }])}`);
  expect(page.length).toBeLessThan(200_000);
  expect((await all(page, 'article.answer h3')).map(({ text }) => text)).toEqual(['The beginning']);
  expect(page).not.toContain('The end.');
  const [link] = await all(page, 'article.answer .whole-text a');
  expect(link?.text).toBe('Show the whole answer');
  // A copy button would copy only a part of the text.
  expect(await all(page, 'article.answer [data-copy]')).toEqual([]);
  const whole = await alice.request(String(link?.attributes.href));
  expect(await whole.text()).toBe(answer);
});

test('the whole text is never a document, and is for the people of its conversation only', async () => {
  const answer = `<script>alert(1)</script>${fill('a', 100_000)}`;
  const page = await pageOf(`/conversations/${await conversation([{ text: 'html', answer }])}`);
  const [link] = await all(page, 'article.answer .whole-text a');
  const path = String(link?.attributes.href);
  const { headers } = await alice.request(path);
  expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'; frame-ancestors 'none'");
  expect((await mallory.request(path)).status).toBe(404);
  expect((await router.request(path)).status).toBe(401);
});

test('of a very long message of a user as well', async () => {
  const text = fill('What about this? ', 190_000);
  const page = await pageOf(`/conversations/${await conversation([{ text, answer: 'Short.' }])}`);
  expect((await all(page, 'article.user .bubble'))[0]?.text.length).toBeLessThanOrEqual(SHOWN + 1);
  const [link] = await all(page, 'article.user .whole-text a');
  expect(link?.text).toBe('Show the whole message');
  expect(await (await alice.request(String(link?.attributes.href))).text()).toBe(text);
});

test('a text is cut between two characters, and only when it is longer than what is shown', async () => {
  for (const [text, isCut] of [
    [fill('a', SHOWN), false],
    [fill('🎉', SHOWN), false],
    [`a${fill('🎉', SHOWN)}`, true],
    [fill('语', SHOWN), false],
    [fill('语', SHOWN + 1), true],
    [`a\0b${fill('\0', SHOWN)}`, true],
  ] as const) {
    const page = await pageOf(`/conversations/${await conversation([{ text: 'cut', answer: text }])}`);
    const links = await all(page, '.whole-text a');
    expect(links.length).toBe(isCut ? 1 : 0);
    expect(page.includes('\ufffd')).toBe(text.includes('\0'));
    if (isCut) expect(await (await alice.request(String(links[0]?.attributes.href))).text()).toBe(text);
  }
});

test('law 18: a page has as many messages as fit, and the earlier ones are all behind its link, each once', async () => {
  const turns = Array.from({ length: 6 }, (_, n) => ({ text: `question ${n}`, answer: fill(`answer ${n} `, 200_000) }));
  let path: string | undefined = `/conversations/${await conversation(turns)}`;
  const seen: string[] = [];
  let pages = 0;
  while (path) {
    const page: string = await pageOf(path);
    expect(page.length).toBeLessThan(1_500_000);
    seen.unshift(...(await all(page, '.message')).map(({ text }) => /(question|answer) \d/.exec(text)?.[0] ?? ''));
    path = (await all(page, '.earlier a'))[0]?.attributes.href;
    pages++;
  }
  expect(pages).toBeGreaterThan(2);
  expect(seen).toEqual(turns.flatMap((_, n) => [`question ${n}`, `answer ${n}`]));
});

test('a page that has the newer messages gets the earlier ones alone', async () => {
  const turns = Array.from({ length: 30 }, (_, n) => ({ text: `question ${n}`, answer: `answer ${n}` }));
  const path = String(
    (await all(await pageOf(`/conversations/${await conversation(turns)}`), '.earlier a'))[0]?.attributes.href,
  );
  const headers = { 'hx-request': 'true' };
  const part = await (await alice.request(path, { headers })).text();
  expect((await all(part, '.message')).length).toBe((await all(await pageOf(path), '.message')).length);
  expect(await all(part, 'html, main, #messages, #composer')).toEqual([]);
  expect((await mallory.request(path, { headers })).status).toBe(404);
});

test('an answer that grows beyond the shown length says so once, and goes on', async () => {
  const id = await conversation([]);
  const form = { method: 'POST', body: new URLSearchParams({ text: 'write a lot' }) };
  await alice.request(`/conversations/${id}/messages`, form);
  const answer = await runner.next();
  answer.say('The first paragraph.\n\n');
  const url = await until(
    async () => /hx-sse:connect="([^"]+)"/.exec(await pageOf(`/conversations/${id}`))?.[1]?.replaceAll('&amp;', '&'),
    'the page has a live stream',
  );
  await using page = await watch(url);
  for (let n = 0; n < 30; n++) {
    answer.say(`${fill(`Paragraph ${n}, and more of it. `, 10_000)}\n\n`);
  }
  await until(() => page.seen.includes('which is still being written'), 'the page says that there is more');
  answer.say('**The end.**');
  answer.finish();
  await until(() => page.seen.includes('data-status="done"'), 'the answer ends');
  expect(page.seen.split('which is still being written').length - 1).toBe(1);
  expect(page.seen).not.toContain('The end.');
  expect(page.seen.length).toBeLessThan(2_000_000);
});

test('a text that takes minutes to render is on the page as it is, and in the live stream', async () => {
  const minutes = `\`\`\`csharp\n${fill('a ', 10_000)}\n\`\`\`\n`.repeat(6);
  const id = await conversation([{ text: 'in colours', answer: minutes }]);
  const [plain] = await all(await pageOf(`/conversations/${id}`), 'article.answer .prose .plain');
  expect(plain?.text === minutes.replace(/\s+/g, ' ').trim()).toBe(true);
  await alice.request(`/conversations/${id}/messages`, { method: 'POST', body: new URLSearchParams({ text: 'more' }) });
  const answer = await runner.next();
  await using page = await watch(`/live?conversation=${id}`);
  answer.say(`${minutes}<i>last</i>`);
  answer.finish();
  await until(() => page.seen.includes('&lt;i&gt;last&lt;/i&gt;</p>'), 'the stream has it as it is');
});

test('words of a failure and names of tools are shown as far as they fit', async () => {
  const id = await conversation([{ text: 'fail', answer: 'half' }]);
  const ids = { conversationId: id, title: '', nowMs: Date.now() };
  const { insertTurn, endAnswer } = router.context.stores.conversations;
  const failed = await insertTurn({ ...ids, answerId: newId(), user: { id: newId(), content: 'more' } });
  const failure = { code: 'runner_error', message: fill('too bad ', 100_000), hint: fill('and so on ', 100_000) };
  const nowMs = Date.now();
  await endAnswer(failed?.answer.id ?? '', { status: 'failed', failure, calls: [], nowMs });
  const called = await insertTurn({ ...ids, answerId: newId(), user: { id: newId(), content: 'tools' } });
  const calls = Array.from({ length: 500 }, (_, n) => {
    return { id: `${n}`, name: `tool_${n}_${fill('x', 300)}`, arguments: '{}', textLengthBefore: 0 };
  });
  await endAnswer(called?.answer.id ?? '', { status: 'done', text: { content: 'ok' }, calls, nowMs });
  const page = await pageOf(`/conversations/${id}`);
  expect(page.length).toBeLessThan(60_000);
  expect(page).toContain('too bad');
  expect((await all(page, '.step')).length).toBe(20);
});
