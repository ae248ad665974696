/**
 * Live streams with slow readers, or many of them: the waiting bytes are bounded, and updates are rendered when they
 * are read.
 */
import { afterAll, expect, test } from 'bun:test';
import { createParser } from 'eventsource-parser';
import { createEvents } from '../../router/lib/events';
import { createOpenStreams, LIVE_STREAMS_PER_USER_MAX } from '../../router/web/streams/open-streams';
import { type EventWriter, eventStream, QUEUED_BYTES_MAX } from '../../router/web/streams/sse';
import { renderMarkdown } from '../../views/markdown';
import { beginConversation } from '../support/chat';
import { Grown } from '../support/grown';
import { form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';

const runner = scripted('readers');
const router = await startRouter({
  backends: [memoryBackend('scribe', {}, runner.program)],
  // On a busy machine a text would be plain that is rendered otherwise. Ends only a test that has failed.
  renderingTimes: { deadlineMs: 60_000, pageMs: 60_000 },
});
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const converse = (text: string) => beginConversation(router, alice, 'scribe', text);

/** A live stream that is read only when the test reads. */
async function open(path: string, who: Person = alice) {
  const response = await who.request(path);
  const reader = response.body?.getReader();
  if (!reader) throw new Error(`No stream: ${response.status}`);
  return reader;
}

async function textOf(reader: Awaited<ReturnType<typeof open>>): Promise<string> {
  return new TextDecoder().decode((await reader.read()).value);
}

/** An event stream without a router, and how often its end was reported. */
function bare() {
  let writer: EventWriter | undefined;
  let ends = 0;
  const response = eventStream({ request: new Request('http://localhost/live'), server: null }, (opened) => {
    writer = opened;
    return () => ends++;
  });
  const reader = response.body?.getReader();
  if (!reader || !writer) throw new Error('No stream');
  return { reader, writer, ends: () => ends };
}

test('an event is taken when the reader wants the next one, and not before', async () => {
  const { reader, writer } = bare();
  let isTaken = false;
  const taken = writer.send({ data: 'first' }).then(() => {
    isTaken = true;
  });
  expect(await textOf(reader)).toBe('data: first\n\n');
  expect(isTaken).toBe(false);
  const next = reader.read();
  await taken;
  void writer.send({ data: 'second' });
  expect(new TextDecoder().decode((await next).value)).toBe('data: second\n\n');
});

test('a reader that takes nothing has a bounded number of bytes waiting, and its stream ends after them', async () => {
  const { reader, writer, ends } = bare();
  const sent: Promise<void>[] = [];
  for (let n = 0; n < 2_000 && ends() === 0; n++) sent.push(writer.send({ data: 'x'.repeat(1_000) }));
  expect(ends()).toBe(1);
  await Promise.all(sent);
  let bytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
  expect(bytes).toBeGreaterThan(QUEUED_BYTES_MAX / 2);
  expect(bytes).toBeLessThanOrEqual(QUEUED_BYTES_MAX);
  expect(ends()).toBe(1);
});

test('nobody waits for a reader that has left, and what is sent after the end is nothing', async () => {
  const { reader, writer, ends } = bare();
  const sent = writer.send({ data: 'never read' });
  await reader.cancel();
  await sent;
  await writer.send({ data: 'nobody is there' });
  writer.close();
  expect(ends()).toBe(1);
});

test('bytes that were sent before a stream is closed arrive', async () => {
  const { reader, writer } = bare();
  void writer.send({ data: 'one' });
  void writer.send({ data: 'two' });
  writer.close();
  const words: string[] = [];
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    words.push(new TextDecoder().decode(part.value));
  }
  expect(words).toEqual(['data: one\n\n', 'data: two\n\n']);
});

test('a slow reader gets the newest state when it reads, and not the states before', async () => {
  const id = await converse('write');
  const answer = await runner.next();
  const messages = () => router.context.conversations.page(id, { limit: 1 });
  const messageId = (await messages())[0]?.id ?? '';
  const written = () => router.context.generations.textOf(messageId) ?? '';
  const reader = await open(`/live?conversation=${id}`);
  let text = '';
  for (let n = 0; n < 40; n++) {
    text += `word ${n} `.repeat(100);
    answer.say(`word ${n} `.repeat(100));
    // For a fast reader, each piece is a separate event.
    await until(() => written().length === text.length, 'the piece arrives');
  }
  answer.finish();
  await until(async () => (await messages())[0]?.status === 'done', 'it is done');
  const seen: string[] = [];
  while (!seen.at(-1)?.includes('data-status="done"')) seen.push(await textOf(reader));
  expect(seen.length).toBeLessThan(10);
  expect(seen.at(-2)).toContain('word 39');
  await reader.cancel();
});

test('pages that read at different times miss nothing of an answer that grows', async () => {
  const id = await converse('at different times');
  const answer = await runner.next();
  const messageId = (await router.context.conversations.page(id, { limit: 1 }))[0]?.id ?? '';
  const pages = await Promise.all(
    [1, 2, 5].map(async (every) => ({
      every,
      grown: new Grown(),
      reader: await open(`/live?conversation=${id}`),
      end: '',
    })),
  );
  const read = async (page: (typeof pages)[number]) => {
    const parser = createParser({ onEvent: ({ event, data }) => void page.grown.apply({ event, data }) });
    page.end = await textOf(page.reader);
    parser.feed(page.end);
  };
  let text = '';
  for (let n = 1; n <= 20; n++) {
    const piece = `*word* ${n} `.repeat(20) + (n % 4 === 0 ? '\n\n' : '');
    text += piece;
    answer.say(piece);
    await until(() => router.context.generations.textOf(messageId) === text, 'the piece arrives');
    await Promise.all(pages.filter(({ every }) => n % every === 0).map(read));
  }
  answer.finish();
  for (const page of pages) {
    while (!page.end.includes('data-status="done"')) await read(page);
    expect(page.grown.html).toBe(renderMarkdown(text));
    await page.reader.cancel();
  }
});

test('however many messages a page has missed, it gets them all, some at a time', async () => {
  const id = await converse('0');
  (await runner.next()).finish();
  await until(() => router.context.generations.size === 0, 'it is done');
  for (let n = 1; n <= 30; n++) {
    expect((await alice.request(`/conversations/${id}/messages`, form({ text: `${n}` }))).status).toBe(303);
    (await runner.next()).finish();
    await until(() => router.context.generations.size === 0, 'it is done');
  }
  const reader = await open(`/live?conversation=${id}`);
  const seen: string[] = [];
  while (!seen.join('').includes('>30</p>')) seen.push(await textOf(reader));
  expect(seen.filter((part) => part.includes('hx-target="#messages"')).length).toBeGreaterThan(2);
  const shown = [...seen.join('').matchAll(/<p class="bubble" dir="auto">(\d+)<\/p>/g)].map(([, n]) => Number(n));
  expect(shown).toEqual(Array.from({ length: 31 }, (_, n) => n));
  await reader.cancel();
});

test('a slow reader is told all links at once when more have changed than there are', async () => {
  const reader = await open('/live');
  const change = (conversationId: string) =>
    router.context.events.publish(alice.id, { kind: 'conversation', conversationId });
  for (let n = 0; n < 5_000; n++) change(`gone-${n}`);
  let told = '';
  // The last of the first events.
  while (!told.includes('event: schedule')) told += await textOf(reader);
  const changed = await textOf(reader);
  expect(changed).toContain('conversations');
  expect(changed).not.toContain('gone-');
  change('gone-again');
  expect(await textOf(reader)).toContain('gone-again');
  await reader.cancel();
});

test('a user has a bounded number of live streams: the oldest makes room, and those of others stay', async () => {
  const bob = await router.person(PEOPLE.bob);
  // Creates his agents, whose states are the first events of a stream.
  await bob.request('/');
  const first = await open('/live');
  const bobs = await open('/live', bob);
  const isOver = async (reader: typeof first) => {
    for (let part = await reader.read(); !part.done; part = await reader.read());
    return true;
  };
  const over = isOver(first);
  const others = [];
  for (let n = 0; n < LIVE_STREAMS_PER_USER_MAX; n++) others.push(await open('/live'));
  expect(await over).toBe(true);
  expect((await bobs.read()).done).toBe(false);
  for (const reader of others) expect((await reader.read()).done).toBe(false);
  await Promise.all([bobs, ...others].map((reader) => reader.cancel()));
  await until(() => router.context.streams.size === 0, 'all are closed');
});

test('a stream that has ended makes room by itself', () => {
  const streams = createOpenStreams(createEvents());
  const holder = { userId: 'alice', credentialId: 'session' };
  let ended = 0;
  const page = { close: () => void ended++ };
  for (let n = 0; n < 3 * LIVE_STREAMS_PER_USER_MAX; n++) streams.addLive(holder, page).end();
  for (let n = 0; n < LIVE_STREAMS_PER_USER_MAX; n++) streams.addLive(holder, page);
  expect([ended, streams.size]).toEqual([0, LIVE_STREAMS_PER_USER_MAX]);
});

test('a bounded number of streams is compressed, and one that has ended makes room', async () => {
  const request = new Request('http://localhost/live', { headers: { 'accept-encoding': 'gzip' } });
  const stream = () => eventStream({ request, server: null }, () => () => undefined);
  const isCompressed = (response: Response) => response.headers.has('content-encoding');
  const streams: Response[] = [];
  while (streams.length < 1_000 && streams.every(isCompressed)) streams.push(stream());
  expect(streams.length).toBeLessThan(1_000);
  expect(streams.slice(0, -1).every(isCompressed)).toBe(true);
  await Promise.all(streams.map(({ body }) => body?.cancel()));
  const next = stream();
  expect(isCompressed(next)).toBe(true);
  await next.body?.cancel();
});

test('a stream that is refused takes no room of the compressed ones', async () => {
  const request = new Request('http://localhost/live', { headers: { 'accept-encoding': 'gzip' } });
  const refuse = () => {
    throw new Error('Too many');
  };
  for (let n = 0; n < 1_000; n++) expect(() => eventStream({ request, server: null }, refuse)).toThrow('Too many');
  const next = eventStream({ request, server: null }, () => () => undefined);
  expect(next.headers.get('content-encoding')).toBe('gzip');
  await next.body?.cancel();
});
