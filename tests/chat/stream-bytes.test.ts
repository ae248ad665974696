/** What a page is sent while an answer grows, counted: less than three times what it shows in the end. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gunzipSync } from 'node:zlib';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { frame } from '../../router/web/streams/sse';
import { renderMarkdown } from '../../views/markdown';
import { renderPlain } from '../../views/markup';
import { beginConversation } from '../support/chat';
import { Grown } from '../support/grown';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';

const runner = scripted('bytes');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
/** One person may have 12 live streams. */
const bob = await router.person(PEOPLE.bob);
afterAll(() => router[Symbol.asyncDispose]());

const RATIO_MAX = 3;
const times = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join('\n');

const prose = times(
  60,
  (n) => `Sentence ${n} has *some* emphasis, **weight**, a [link](https://example.com/${n}) and words.`,
);
const code = (lines: number) =>
  `\`\`\`ts\n${times(lines, (n) => `const value${n} = compute(${n}, "text"); // a line`)}\n\`\`\`\n`;
const list = times(300, (n) => `- Item ${n} with **weight**, \`code\` and some more words to be a line of a list`);
const table = `| Name | What | Count |\n|---|---|--:|\n${times(300, (n) => `| row ${n} | some *cell* text | ${n} |`)}\n`;
const nested = times(60, (n) => `${n + 1}. Step ${n}\n\n   Words about it.\n\n   - one\n   - two\n\n   > quoted\n`);

/** What an answer is made of, and in pieces of how many characters it comes. */
const kinds: Record<string, [text: string, piece: number]> = {
  'paragraphs, some words at a time': [prose.replaceAll('\n', '\n\n'), 20],
  'one long paragraph': [prose, 20],
  'a block of code with colours': [code(180), 50],
  'a block of code of 16 KB': [code(330), 50],
  '5,000 lines of code': [code(5_000), 5_000],
  'a list of 300 items': [list, 60],
  'a list that becomes loose': [`${list}\n\n- the last`, 60],
  'a table of 300 rows': [table, 40],
  'lists within lists': [nested, 40],
  'a bit of everything': [
    [prose.slice(0, 500), code(40), list.slice(0, 2_000), table.slice(0, 2_000)].join('\n\n'),
    30,
  ],
  'tiny paragraphs': [times(200, (n) => `Line ${n}.`).replaceAll('\n', '\n\n'), 40],
  'inline code, emphasis and links': [
    times(50, (n) => `\`call${n}()\` **weight** *shape* [page ${n}](https://example.com/${n})`).replaceAll('\n', ' '),
    40,
  ],
  'formulas in lines and blocks': [times(30, (n) => `Where $a_${n} = b$ holds:\n\n$$\nx^${n}\n$$\n`), 40],
  'Chinese without spaces': [
    '潮水每天涨落两次，港口也随之起伏。**早晨**停在泥上的船，到中午就浮起来了。'.repeat(40),
    20,
  ],
  'tasks that are done and not': [times(80, (n) => `- [${n % 2 ? 'x' : ' '}] Task ${n} is to be done`), 40],
  'quotes, entities and addresses': [times(60, (n) => `> "a" & <b> https://example.com/${n}?a=1&b=2 'c'`), 20],
};

const converse = (text: string, who = alice) => beginConversation(router, who, 'scribe', text);

/** The live stream of the conversation's page: bytes of the events about its answer, and the text that they make. */
async function watch(id: string, who = alice) {
  const page = await (await who.request(`/conversations/${id}`)).text();
  const messageId = /<article id="message-(\w+)" class="message answer"/.exec(page)?.[1] ?? '';
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const { body } = await who.request(url);
  if (!body) throw new Error('No stream');
  const state = { bytes: 0, events: 0, largest: 0, anew: 0, isDone: false, grown: new Grown() };
  const events = (body as ReadableStream<BufferSource>)
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, BufferSource>)
    .pipeThrough(new EventSourceParserStream());
  const ended = (async () => {
    for await (const { id: seen = '', event, data } of events) {
      state.events += 1;
      state.grown.apply({ event, data });
      state.anew += Number(/<hx-partial hx-target="#message-\w+" hx-swap="outerHTML">/.test(data));
      if (event === 'grow') state.largest = Math.max(state.largest, data.length);
      if (event === 'grow' || data.includes(messageId))
        state.bytes += Buffer.byteLength(frame({ id: seen, ...(event && { event }), data }));
      state.isDone ||= data.includes('data-status="done"');
      if (state.isDone) return;
    }
  })();
  await until(() => state.events > 0, 'the stream is there');
  return { messageId, state, ended };
}

interface Streamed {
  readonly html: string;
  /** Of the events about it. */
  readonly bytes: number;
  readonly events: number;
}

/** Streams an answer in pieces, each of which the router sees by itself. */
async function stream(name: string, [text, piece]: [string, number], who: Person): Promise<() => Promise<Streamed>> {
  const id = await converse(name, who);
  const answer = await runner.next();
  const { messageId, state, ended } = await watch(id, who);
  const length = () => router.context.generations.textOf(messageId)?.length ?? 0;
  return async () => {
    for (let from = 0; from < text.length; from += piece) {
      answer.say(text.slice(from, from + piece));
      await until(() => length() === Math.min(text.length, from + piece), 'the piece arrives');
    }
    answer.finish();
    await ended;
    return { html: state.grown.html, bytes: state.bytes, events: state.events };
  };
}

/** All at once: each takes a second for twenty pieces. */
const streamed = new Map<string, Promise<Streamed>>();
beforeAll(async () => {
  const begun = [];
  for (const [place, [name, kind]] of Object.entries(kinds).entries())
    begun.push([name, await stream(name, kind, place % 2 === 0 ? alice : bob)] as const);
  for (const [name, run] of begun) streamed.set(name, run());
}, 60_000);

describe('a page is sent less than three times what it shows in the end, and ends with what a reload shows, of', () => {
  for (const [name, [text]] of Object.entries(kinds)) {
    test(name, async () => {
      const { html, bytes, events } = (await streamed.get(name)) ?? { html: '', bytes: 0, events: 0 };
      const shown = renderMarkdown(text.slice(0, 64 * 1024), { copyCode: 'copy-code' });
      expect(html).toBe(shown);
      expect(bytes / Buffer.byteLength(shown)).toBeLessThan(RATIO_MAX);
      expect(events).toBeGreaterThan(3);
    }, 60_000);
  }
});

test('an answer that is there at once comes in small updates, none of which holds the page up', async () => {
  const id = await converse('at once');
  const answer = await runner.next();
  const { state, ended } = await watch(id);
  const text = `${table}${times(700, (n) => `| row ${n} | some *cell* text | ${n} |`)}\n`;
  answer.say(text);
  answer.finish();
  await ended;
  const shown = renderMarkdown(text, { copyCode: 'copy-code' });
  expect(state.grown.html).toBe(shown);
  expect(state.largest).toBeLessThan(shown.length / 3);
  expect(state.bytes / Buffer.byteLength(shown)).toBeLessThan(RATIO_MAX);
});

test('an open block of code has no colours, and gets them once, when it is complete', async () => {
  const id = await converse('colours');
  const answer = await runner.next();
  const { state, ended } = await watch(id);
  answer.say('```ts\nconst a = 1;\n');
  await until(() => state.grown.html.includes('const a = 1;'), 'the line is there');
  expect(state.grown.html).not.toContain('hljs');
  answer.say('```\n');
  await until(() => state.grown.html.includes('hljs-keyword'), 'it has colours');
  answer.finish();
  await ended;
});

test('the words that a link has begun with stay until it is complete, and the answer is not sent anew', async () => {
  const id = await converse('link');
  const answer = await runner.next();
  const { messageId, state, ended } = await watch(id);
  const text = () => router.context.generations.textOf(messageId);
  for (const [words, rest] of [
    ['See h', 'ttps://example.com'],
    ['/1 and [the p', 'age](https://example.com'],
  ] as const) {
    answer.say(words);
    await until(() => state.grown.html.endsWith(`${words.slice(-5)}</p>\n`), 'the words are there');
    const all = `${text()}${rest}`;
    answer.say(rest);
    await until(() => text() === all, 'the link has begun');
    const { events } = state;
    router.context.events.publish(alice.id, { kind: 'conversation', conversationId: id });
    await until(() => state.events > events, 'the page has been looked after');
    expect(state.grown.html).toEndWith(`${words.slice(-5)}</p>\n`);
  }
  answer.say('/2) now.');
  answer.finish();
  await ended;
  expect(state.grown.html).toBe(renderMarkdown('See https://example.com/1 and [the page](https://example.com/2) now.'));
  expect(state.anew).toBe(0);
});

test('an answer that takes too long to render comes anew as it is written, and grows on without a gap', async () => {
  const id = await converse('slow');
  const answer = await runner.next();
  const { state, ended } = await watch(id);
  answer.say("It's *here*:\n\n");
  await until(() => state.grown.html.includes('<em>here</em>'), 'it is rendered');
  // Some languages take long for such a block (views/markdown.ts).
  const slow = Array.from({ length: 5 }, (_, n) => `\`\`\`csharp\n${n} ${'a '.repeat(5_000)}\n\`\`\`\n`).join('');
  answer.say(slow);
  await until(async () => {
    await (await alice.request(`/conversations/${id}`)).text();
    return state.grown.html.startsWith('<p class="plain">');
  }, 'it is shown as it is written');
  answer.say("It's the rest.");
  await until(() => state.grown.html.includes('the rest.'), 'it grows');
  expect(state.grown.html).toBe(renderPlain(`It's *here*:\n\n${slow}It's the rest.`));
  answer.finish();
  await ended;
  expect(new Grown().apply({ data: await (await alice.request(`/conversations/${id}`)).text() }).html).toBe(
    state.grown.html,
  );
}, 60_000);

test('a stream of events is compressed for a client that takes it, and each event can be read when it is sent', async () => {
  const id = await converse('compressed');
  const answer = await runner.next();
  const response = await alice.request(`/live?conversation=${id}`, { headers: { 'accept-encoding': 'gzip' } });
  expect(response.headers.get('content-encoding')).toBe('gzip');
  expect(response.headers.get('vary')).toBe('accept-encoding');
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  const text = () => gunzipSync(Buffer.concat(parts), { finishFlush: 2 }).toString();
  const read = async (words: string) => {
    while (parts.length === 0 || !text().includes(words)) parts.push((await reader?.read())?.value ?? new Uint8Array());
  };
  await read('id="runner-');
  answer.say('First words.');
  await read('First words.');
  answer.say(' Then others.');
  await read('Then others.');
  expect(Buffer.concat(parts).length).toBeLessThan(text().length / 2);
  answer.finish();
  await reader?.cancel();
});

test('a client that does not take gzip gets events as they are', async () => {
  const response = await alice.request('/live', { headers: { 'accept-encoding': 'gzip;q=0, identity' } });
  expect(response.headers.get('content-encoding')).toBeNull();
  await response.body?.cancel();
});
