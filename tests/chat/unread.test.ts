import { afterAll, expect, test } from 'bun:test';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { newTimeId } from '../../router/lib/ids';
import { agentOf, beginConversation } from '../support/chat';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { type ScriptedAnswer, scripted } from '../support/scripted';

const runner = scripted('unread');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
const bob = await router.person(PEOPLE.bob);
afterAll(() => router[Symbol.asyncDispose]());

const UNREAD = '<span class="dot unread"><span class="visually-hidden">unread</span></span>';

/** A conversation whose first answer is being written. */
async function converse(who: Person, text: string): Promise<{ id: string; answer: ScriptedAnswer }> {
  const id = await beginConversation(router, who, 'scribe', text);
  return { id, answer: await runner.next() };
}

async function finish(answer: ScriptedAnswer): Promise<void> {
  answer.finish();
  await until(() => router.context.generations.size === 0, 'the answer has ended');
}

/** What a page shows of a conversation in its list. */
function linkIn(html: string, id: string): string | undefined {
  return html.split(/<li|<\/li>/).find((item) => item.includes(`id="conversation-link-${id}"`));
}

/** The list on a page that shows no conversation. */
const listed = async (who: Person, id: string) => linkIn(await (await who.request('/search')).text(), id) ?? '';

interface Watch extends AsyncDisposable {
  /** Resolves with the next word on a conversation's link for which `is` holds. */
  link(id: string, is: (item: string) => boolean): Promise<string>;
  readonly text: () => string;
}

async function watch(who: Person, url: string): Promise<Watch> {
  const abort = new AbortController();
  const response = await fetch(router.url + url, { headers: { cookie: who.cookie }, signal: abort.signal });
  if (!response.body) throw new Error(`No stream: ${response.status}`);
  const events: string[] = [];
  const stream = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const ended = (async () => {
    for await (const { data } of stream) events.push(data);
  })().catch(() => undefined);
  await until(() => events.length > 0, 'the page is live');
  let from = 0;
  return {
    text: () => events.join(''),
    link: (id, is) =>
      until(() => {
        const index = events.findIndex((data, n) => n >= from && is(linkIn(data, id) ?? ''));
        if (index < 0) return undefined;
        from = index + 1;
        return linkIn(events[index] ?? '', id);
      }, 'the link changes'),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

const isMarked = (item: string) => item.includes(UNREAD);
const isPlain = (item: string) => item !== '' && !item.includes('class="dot');

test('an answer that no page shows leaves its conversation unread until somebody looks at its page', async () => {
  const { id, answer } = await converse(alice, 'unseen');
  expect(await listed(alice, id)).toContain('answering');
  await finish(answer);
  expect(await listed(alice, id)).toContain(UNREAD);
  await using _page = await watch(alice, `/live?conversation=${id}`);
  await until(async () => isPlain(await listed(alice, id)), 'it is read');
});

test('a page that is loaded and not looked at marks nothing as read, and has no mark of its own', async () => {
  const { id, answer } = await converse(alice, 'loaded ahead');
  await finish(answer);
  for (const purpose of ['prefetch', 'prefetch;prerender', '']) {
    const page = await alice.request(`/conversations/${id}`, { headers: { 'sec-purpose': purpose } });
    expect(linkIn(await page.text(), id)).not.toContain(UNREAD);
  }
  expect(await listed(alice, id)).toContain(UNREAD);
});

test('a page without scripts says by a picture that it is looked at', async () => {
  const { id, answer } = await converse(alice, 'without scripts');
  await finish(answer);
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const path = /<noscript><img src="([^"]+)"/.exec(page)?.[1] ?? '';
  expect((await bob.request(path)).status).toBe(404);
  expect(await listed(alice, id)).toContain(UNREAD);
  expect((await alice.request(path)).status).toBe(204);
  expect(isPlain(await listed(alice, id))).toBe(true);
  const read = await (await alice.request(`/conversations/${id}`)).text();
  expect(read).not.toContain(path);
  expect(read).toMatch(/role="status"[^>]*><\/p><\/main>/);
});

test('an answer that fails while no page shows it is unread too', async () => {
  const { id, answer } = await converse(alice, 'fails');
  answer.cut();
  await until(() => router.context.generations.size === 0, 'the answer has ended');
  expect(await listed(alice, id)).toContain(UNREAD);
});

test('an answer that a crash of the router broke off is unread', async () => {
  const { id } = await router.context.conversations.create(await agentOf(router, alice, 'scribe'));
  const turn = { conversationId: id, answerId: newTimeId(), title: 'broken off', nowMs: Date.now() };
  await router.context.stores.conversations.insertTurn({ ...turn, user: { id: newTimeId(), content: 'x' } });
  await router.context.generations.endOrphans();
  expect(await listed(alice, id)).toContain(UNREAD);
});

test('an answer that a live page of its conversation shows is read', async () => {
  const { id, answer } = await converse(alice, 'seen');
  {
    await using page = await watch(alice, `/live?conversation=${id}`);
    await finish(answer);
    await page.link(id, isPlain);
  }
  expect(isPlain(await listed(alice, id))).toBe(true);
});

test('a page of older messages, which shows no new answer, leaves the conversation unread', async () => {
  const { id, answer } = await converse(alice, 'far back');
  const past = await (await alice.request(`/conversations/${id}?before=2`)).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(past)?.[1]?.replaceAll('&amp;', '&') ?? '';
  expect(url).toContain('past=');
  await using page = await watch(alice, url);
  await finish(answer);
  await page.link(id, isMarked);
  await alice.request(`/conversations/${id}?before=2`);
  await using _again = await watch(alice, url);
  expect(await listed(alice, id)).toContain(UNREAD);
});

test('the mark comes and goes on other live pages, and a live page of the conversation takes it away', async () => {
  const { id, answer } = await converse(alice, 'elsewhere');
  await using other = await watch(alice, '/live');
  await finish(answer);
  await other.link(id, isMarked);
  await using _page = await watch(alice, `/live?conversation=${id}`);
  await other.link(id, isPlain);
});

test('the mark says so in the language of the reader', async () => {
  const { id, answer } = await converse(alice, 'language');
  await finish(answer);
  const page = await alice.request('/search', { headers: { 'accept-language': 'zh' } });
  expect(linkIn(await page.text(), id)).toContain('未读');
});

test('what others do neither marks a conversation nor takes its mark away', async () => {
  const { id, answer } = await converse(alice, 'private');
  await bob.request('/');
  await using page = await watch(bob, '/live');
  await finish(answer);
  expect((await bob.request(`/conversations/${id}`)).status).toBe(404);
  expect((await bob.request(`/live?conversation=${id}`)).status).toBe(404);
  expect(await listed(alice, id)).toContain(UNREAD);
  const own = await converse(bob, 'of his own');
  await finish(own.answer);
  await page.link(own.id, isMarked);
  expect(page.text()).not.toContain(id);
  expect(await listed(bob, id)).toBe('');
});
