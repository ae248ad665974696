/** What a page is sent of an answer, counted: less than three times its HTML, whatever it is made of. Texts: stream-bytes.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { frame } from '../../router/web/streams/sse';
import { beginConversation } from '../support/chat';
import { dataUri, png } from '../support/files';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { type ScriptedAnswer, scripted } from '../support/scripted';
import { event } from '../support/sse';
import { watchStream } from '../support/watch';
import { all } from '../views/dom';

const runner = scripted('answer-bytes');
const router = await startRouter({ backends: [memoryBackend('scribe', { attachments: true }, runner.program)] });
const alice = await router.person(PEOPLE.alice);
/** One person may have 12 live streams. */
const bob = await router.person(PEOPLE.bob);
afterAll(() => router[Symbol.asyncDispose]());

const RATIO_MAX = 3;
/** What the agent reports, and what the page is sent of it then. */
type Piece = readonly [reported: string, seen: string];

const delta = (said: object) => event({ choices: [{ index: 0, delta: said }] });
const says = (text: string): Piece => [delta({ content: text }), text.trim()];
const thinks = (text: string): Piece => [delta({ reasoning_content: text }), text];
const name = (n: number) => `read_file_${n}`;
const report = (n: number, more: object) =>
  `event: hermes.tool.progress\n${event({ tool: name(n), toolCallId: `c${n}`, ...more })}`;
const begins = (n: number, more: object = {}): Piece => [
  report(n, { status: 'running', ...more }),
  `Using <code dir="ltr">${name(n)}<`,
];
const ends = (n: number, more: object = {}): Piece => [
  report(n, { status: 'completed', ...more }),
  `Used <code dir="ltr">${name(n)}<`,
];
const times = (count: number, pieces: (n: number) => readonly Piece[]) =>
  Array.from({ length: count }, (_, n) => pieces(n)).flat();
const input = { arguments: { path: 'notes/today.md', lines: [1, 40] } };
const result = { result: 'Buy milk.\nCall the harbour.' };

const kinds: Record<string, readonly Piece[]> = {
  'calls of which there are only the names': times(15, (n) => [begins(n), ends(n)]),
  'the same after words': [says('I look at it.'), ...times(15, (n) => [begins(n), ends(n)])],
  'the same with their times': [says('I look.'), ...times(15, (n) => [begins(n), ends(n, { duration: 2.5 })])],
  'calls that only begin': [says('I look at it.'), ...times(15, (n) => [begins(n)])],
  'calls with an input': [says('I look at it.'), ...times(15, (n) => [begins(n, input), ends(n)])],
  'calls with a result': [says('I look at it.'), ...times(15, (n) => [begins(n), ends(n, result)])],
  'calls with both': [says('I look at it.'), ...times(15, (n) => [begins(n, input), ends(n, result)])],
  'calls with both before any word': times(15, (n) => [begins(n, input), ends(n, result)]),
  'two calls at a time': [
    says('I look at it.'),
    ...times(12, (n) => [begins(2 * n), begins(2 * n + 1), ends(2 * n), ends(2 * n + 1)]),
  ],
  'few calls': times(3, (n) => [begins(n), ends(n)]),
  'short thoughts between calls': times(12, (n) => [thinks(`Hm, ${n}.`), begins(n), ends(n)]),
  'the same with words between': times(12, (n) => [thinks(`Hm, ${n}.`), says(`So ${n}. `), begins(n), ends(n)]),
  pictures: times(8, (n) => [
    [delta({ images: [{ type: 'image_url', image_url: { url: dataUri(png()) } }] }), '/api/attachments/'],
    says(`Picture ${n}. `),
  ]),
  'one word': [says('Yes.')],
};

interface Begun {
  readonly id: string;
  readonly who: Person;
  readonly pieces: readonly Piece[];
}

interface Sent {
  readonly bytes: number;
  readonly shown: number;
  /** The same of its steps alone. */
  readonly stepBytes: number;
  readonly stepsShown: number;
  readonly steps: number;
}

/** Bytes of the events about an answer, and of its HTML after a reload. */
async function sentOf(answer: ScriptedAnswer, { id, who, pieces }: Begun): Promise<Sent> {
  const { id: messageId } = await until(() => router.context.conversations.newest(id), 'the answer has begun');
  const pageOf = async () => (await who.request(`/conversations/${id}`)).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(await pageOf())?.[1]?.replaceAll('&amp;', '&') ?? '';
  await using page = await watchStream(router.url + url, { cookie: who.cookie });
  await page.saw(messageId);
  for (const [reported, seen] of pieces) {
    answer.raw(reported);
    await page.saw(seen);
  }
  answer.finish();
  await page.saw('data-status="done"');
  const [article = ''] = new RegExp(`<article id="message-${messageId}".*?</article>`, 's').exec(await pageOf()) ?? [];
  const told = page.events.map(({ id: seen = '', event: name, data }) => ({
    seen,
    name,
    data: ofAnswer(messageId, data),
  }));
  const framed = told
    .filter(({ data }) => data !== '')
    .map(({ seen, name, data }) => ({
      data,
      bytes: Buffer.byteLength(frame({ id: seen, ...(name && { event: name }), data })),
    }));
  const sum = (some: readonly { bytes: number }[]) => some.reduce((all, { bytes }) => all + bytes, 0);
  return {
    bytes: sum(framed),
    shown: Buffer.byteLength(article),
    stepBytes: sum(framed.filter(({ data }) => /^(<li|<summary>|<hx-partial hx-target="#steps)/.test(data))),
    stepsShown: Buffer.byteLength(/<ol id="steps.*?<\/ol>/s.exec(article)?.[0] ?? ''),
    steps: (await all(article, '.step')).length,
  };
}

/** An event without what it changes of other parts of the page. */
function ofAnswer(messageId: string, data: string): string {
  const parts = data.split(/(?=<hx-partial)/);
  return parts.filter((part) => !part.startsWith('<hx-partial') || part.includes(messageId)).join('');
}

/** All at once: each takes as long as its agent. */
const sent = new Map<string, Promise<Sent>>();
beforeAll(async () => {
  for (const [place, [kind, pieces]] of Object.entries(kinds).entries()) {
    const who = place % 2 === 0 ? alice : bob;
    const id = await beginConversation(router, who, 'scribe', kind);
    sent.set(kind, sentOf(await runner.next(), { id, who, pieces }));
  }
});

describe('a page is sent less than three times what it shows of', () => {
  for (const [kind, pieces] of Object.entries(kinds)) {
    test(kind, async () => {
      const of = await sent.get(kind);
      if (!of) throw new Error('It was not sent');
      const calls = new Set(pieces.flatMap(([, seen]) => /^Using.*/.exec(seen) ?? [])).size;
      expect(of.steps).toBeGreaterThanOrEqual(calls);
      expect(of.bytes / of.shown).toBeLessThan(RATIO_MAX);
      if (calls > 0) expect(of.stepBytes / of.stepsShown).toBeLessThan(RATIO_MAX);
    }, 60_000);
  }
});
