/** Event streams of any content, cut anywhere: the client gets the runner's bytes, and the recorder the text. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { pipe, scriptedRunner } from '../support/scripted-runner';
import { anyText, fuzz } from './fuzz';

const runner = scriptedRunner('fuzz-sse');
let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const lineEnds = fc.constantFrom('\n', '\r\n', '\r');
const chunkOf = (content: string) =>
  JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'm',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  });

/** Blocks as servers send them: chunks, comments, ids, empty data, data that is no JSON. */
const block = fc.oneof(
  { weight: 6, arbitrary: anyText.map((text) => ({ text, lines: [`data: ${chunkOf(text)}`] })) },
  anyText.map((text) => ({ text: '', lines: [`: ${text.replace(/[\r\n]/g, ' ')}`] })),
  fc.constantFrom(
    { text: '', lines: ['id: 1'] },
    { text: '', lines: ['data:'] },
    { text: '', lines: ['event: ping', 'data: {}'] },
    { text: '', lines: ['retry: 10'] },
  ),
);

const streams = fc.record({
  blocks: fc.array(block, { maxLength: 12 }),
  end: lineEnds,
  isEndedByLine: fc.boolean(),
  cuts: fc.array(fc.nat(4_000), { maxLength: 12 }),
});

const ask = (body: object) =>
  alice.request('/v1/chat/completions', {
    method: 'POST',
    body: { model: 'echo', stream: true, messages: [{ role: 'user', content: 'hello' }], ...body },
  });

fuzz(
  'law 8: an event stream of any content reaches the client byte for byte however it is cut, and is recorded as it reads',
  {
    inputs: streams,
    async rule({ blocks, end, isEndedByLine, cuts }) {
      const sent = [...blocks, { text: '', lines: ['data: [DONE]'] }]
        .map(({ lines }) => lines.join(end) + end + end)
        .join('');
      const bytes = Buffer.from(isEndedByLine ? sent : sent.slice(0, sent.length - end.length));
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
      runner.reply = () => {
        const stream = pipe();
        const write = async () => {
          for (const [index, place] of places.slice(1).entries()) {
            stream.write(bytes.subarray(places[index] ?? 0, place));
            await new Promise((resolve) => setImmediate(resolve));
          }
          stream.close();
        };
        // At the end of the test's time its last request is cut, and with it the stream. In any other case the comparison fails.
        void write().catch(() => undefined);
        return stream.response();
      };
      expect(Buffer.from(await (await ask({})).arrayBuffer()).toString('latin1')).toBe(bytes.toString('latin1'));

      const stored = await ask({ store: true });
      const conversation = stored.headers.get('x-conversation-id') ?? '';
      const read = textIn(await stored.text());
      const [answer] = await router.context.stores.conversations.page(conversation, { limit: 1 });
      expect([answer?.status, answer?.content]).toEqual(['done', read]);
    },
  },
);

/** The text as a client of the stream reads it. */
function textIn(body: string): string {
  let text = '';
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data.startsWith('{')) text += JSON.parse(data).choices?.[0]?.delta?.content ?? '';
    },
  });
  parser.feed(`${body}\n\n`);
  return text;
}
