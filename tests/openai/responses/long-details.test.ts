/** The last events of a response repeat all that came beside its text, which may be long: they are made piece by piece. */
import { expect, test } from 'bun:test';
import { Allowance, Share } from '../../../router/lib/allowance';
import { bodyOf } from '../../../router/net/body';
import { responsesTranslation } from '../../../router/openai/responses/answer-body';
import { DONE, eventsOf } from '../../support/scripted-runner';
import { Reader } from '../../support/wire-client';

const PIECE_BYTES_MAX = 262_144;
const ALL = 100_000_000;
/** A foreign text that looks like what stands for a list while an event is made. */
const TOKEN = '"list:0123456789abcdef01234567"';

const translation = () =>
  responsesTranslation(
    { id: 'resp_1', createdAtMs: 0, body: { model: 'm' } },
    { maxBytes: ALL, share: new Share(new Allowance({ total: ALL, perHolder: ALL }), 'alice') },
  );
const likely = { token: TOKEN, logprob: -0.5, bytes: [97, 98] };
const probable = { ...likely, top_logprobs: Array.from({ length: 20 }, () => likely) };

test('the last events of a stream with the probabilities of 2,000 tokens come in short pieces, and have all of them', async () => {
  const choice = {
    index: 0,
    delta: { content: TOKEN },
    logprobs: { content: Array.from({ length: 20 }, () => probable) },
  };
  const text = `data: ${JSON.stringify({ choices: [choice] })}\n\n`.repeat(100) + DONE;
  const reader = new Reader(translation().body(bodyOf(new TextEncoder().encode(text)), true));
  expect(await reader.ended()).toBe('end');
  expect(reader.bytes).toBeGreaterThan(10_000_000);
  expect(Math.max(...reader.pieces.map(({ length }) => length))).toBeLessThan(PIECE_BYTES_MAX);
  const events = eventsOf(reader.text).map((data) => JSON.parse(data));
  const logprobs = Array.from({ length: 2_000 }, () => probable);
  const [done, part, item, completed] = events.slice(-4);
  const content = { type: 'output_text', text: TOKEN.repeat(100), annotations: [], logprobs };
  expect(done.logprobs).toEqual(logprobs);
  expect(part.part).toEqual(content);
  expect(item.item.content).toEqual([content]);
  expect(completed.response.output[0].content).toEqual([content]);
});

test('a whole response with the probabilities of its tokens and its sources has all of them', async () => {
  const annotations = [{ type: 'url_citation', url_citation: { title: TOKEN, url: 'https://example.org/' } }];
  const message = { role: 'assistant', content: TOKEN, annotations };
  const choice = { message, finish_reason: 'stop', logprobs: { content: Array.from({ length: 100 }, () => probable) } };
  const bytes = new TextEncoder().encode(JSON.stringify({ choices: [choice] }));
  const reader = new Reader(translation().body(bodyOf(bytes), false));
  expect(await reader.ended()).toBe('end');
  expect(JSON.parse(reader.text).output[0].content).toEqual([
    {
      ...{ type: 'output_text', text: TOKEN, logprobs: choice.logprobs.content },
      annotations: [{ type: 'url_citation', title: TOKEN, url: 'https://example.org/' }],
    },
  ]);
});
