/** How tokens are read from an upstream's answer, and estimated if it reports none. */
import { expect, test } from 'bun:test';
import { AnswerTail, tokensOfAnswer } from '../../router/broker/answer-usage';
import { UpstreamBody } from '../../router/broker/request';
import { UsageFilter } from '../../router/broker/usage-filter';
import { tokensOf } from '../../router/usage/tokens';
import { chunk, DONE } from '../support/scripted-runner';
import { event } from '../support/sse';

const utf8 = new TextEncoder();
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const usageEvent = event({ id: 'c', choices: [], usage: USAGE });

function tailOf(...chunks: readonly string[]): AnswerTail {
  const tail = new AnswerTail();
  for (const one of chunks) tail.push(utf8.encode(one));
  return tail;
}

test('usage is read in the words of chat, of responses and of embeddings', () => {
  const chat = { ...USAGE, prompt_tokens_details: { cached_tokens: 4 } };
  expect(tokensOf({ ...chat, completion_tokens_details: { reasoning_tokens: 3 } })).toEqual({
    ...{ prompt: 11, completion: 7, cached: 4, reasoning: 3 },
  });
  const responses = { input_tokens: 5, output_tokens: 6, input_tokens_details: { cached_tokens: 1 } };
  expect(tokensOf({ ...responses, output_tokens_details: { reasoning_tokens: 2 } })).toEqual({
    ...{ prompt: 5, completion: 6, cached: 1, reasoning: 2 },
  });
  expect(tokensOf({ prompt_tokens: 9, total_tokens: 9 })).toEqual({
    prompt: 9,
    completion: 0,
    cached: 0,
    reasoning: 0,
  });
});

test('an invalid usage counts as none, and an invalid number as 0', () => {
  for (const value of [undefined, null, 7, 'x', [], {}, { prompt_tokens: '7' }, { type: 'duration', seconds: 3 }]) {
    expect([value, tokensOf(value)]).toEqual([value, undefined]);
  }
  expect(tokensOf({ prompt_tokens: -1, completion_tokens: 7, prompt_tokens_details: null })).toEqual({
    ...{ prompt: 0, completion: 7, cached: 0, reasoning: 0 },
  });
});

test('the usage of an answer is found at its end, whatever shape the answer has', () => {
  const whole = JSON.stringify({ choices: [{ message: { content: '"usage":{"prompt_tokens":1}' } }], usage: USAGE });
  const embeddings = JSON.stringify({ data: [{ embedding: Array(20_000).fill(0.25) }], usage: USAGE }, null, 2);
  const completed = { type: 'response.completed', response: { output: 'x'.repeat(40_000), usage: USAGE, user: null } };
  const nulls = event({ choices: [{ delta: { content: 'a' } }], usage: null });
  for (const answer of [
    whole,
    embeddings,
    event(completed),
    nulls + usageEvent + DONE,
    usageEvent.replaceAll(':', ' : '),
  ]) {
    expect(tailOf(answer).tokens()).toMatchObject({ prompt: 11, completion: 7 });
    expect(tailOf(...answer).tokens()).toMatchObject({ prompt: 11, completion: 7 });
  }
});

test('a model cannot write its own usage', () => {
  const written = 'See "usage":{"prompt_tokens":1,"completion_tokens":1}';
  expect(tailOf(chunk(written), DONE).tokens()).toBeUndefined();
  expect(tailOf(JSON.stringify({ output: written })).tokens()).toBeUndefined();
});

test('an answer without usage is guessed from its text, four bytes a token, and said to be a guess', () => {
  const guess = { prompt: () => 3, isText: true };
  const stream = tailOf(...Array.from({ length: 100 }, () => chunk('four bytes to.. ')));
  const { tokens, isEstimated } = tokensOfAnswer(stream, guess);
  expect([tokens.prompt, isEstimated]).toEqual([3, true]);
  expect(tokens.completion).toBeWithin(390, 411);
  // Longer than the end that is kept.
  const long = tailOf(...Array.from({ length: 2_000 }, () => chunk('four bytes to.. ')));
  expect(tokensOfAnswer(long, guess).tokens.completion).toBeWithin(7_800, 8_201);
  const piece = tailOf(JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'x'.repeat(400) } }] }));
  expect(tokensOfAnswer(piece, guess).tokens.completion).toBe(100);
  expect(tokensOfAnswer(tailOf(), guess).tokens.completion).toBe(0);
  expect(tokensOfAnswer(tailOf('RIFF'), { prompt: () => 3, isText: false }).tokens.completion).toBe(0);
});

test('the guess at a prompt counts its texts, and no pictures', () => {
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(9_000)}` } };
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'x'.repeat(40) }, image] }];
  const body = new UpstreamBody('chat/completions', utf8.encode(JSON.stringify({ messages })), 'application/json');
  expect(body.promptTokens()).toBe(10);
});

const BEGIN = event({ choices: [], prompt_filter_results: [] });
const TEXT = `: hello\n\n${BEGIN}${chunk('Grüße 👋')}${chunk('"choices":[]')}`;

test('a usage event is taken out of a stream and nothing else is, for every split of it', () => {
  for (const lineEnd of ['\n', '\r\n', '\r']) {
    const lines = (text: string) => utf8.encode(text.replaceAll('\n', lineEnd));
    const whole = lines(TEXT + usageEvent + DONE);
    const wanted = Buffer.from(lines(TEXT + DONE)).toString('hex');
    const passed = (...chunks: readonly Uint8Array[]) => {
      const filter = new UsageFilter();
      return Buffer.concat([...chunks.map((one) => filter.push(one)), filter.end()]).toString('hex');
    };
    for (let first = 0; first <= whole.length; first += 1) {
      expect(passed(whole.subarray(0, first), whole.subarray(first))).toBe(wanted);
    }
    expect(passed(...[...whole].map((byte) => Uint8Array.of(byte)))).toBe(wanted);
    expect(passed(whole)).toBe(wanted);
  }
});

test('an event goes on as soon as it has ended, one without an end at the end, a long one before it', () => {
  const filter = new UsageFilter();
  const push = (text: string) => Buffer.from(filter.push(utf8.encode(text))).toString();
  expect(push(chunk('a'))).toBe(chunk('a'));
  expect(push('data: half')).toBe('');
  expect(push(' of it\n\ndata:')).toBe('data: half of it\n\n');
  const long = 'x'.repeat(20_000);
  expect(push(long)).toBe(`data:${long}`);
  // The end of the event arrives in pieces, and the next event is checked again.
  expect(push('more\n') + push('\n') + push(usageEvent) + push('data: rest')).toBe('more\n\n');
  expect(Buffer.from(filter.end()).toString()).toBe('data: rest');
});

test('a long event of any line ends goes on before its end, and the usage behind it is taken out', () => {
  for (const lineEnd of ['\n', '\r\n', '\r']) {
    const lines = (text: string) => utf8.encode(text.replaceAll('\n', lineEnd));
    const [long, rest] = [`data: ${'x'.repeat(20_000)}\ndata: more\n\n`, chunk('a')];
    const whole = lines(long + usageEvent + rest);
    const wanted = Buffer.from(lines(long + rest)).toString('hex');
    for (let split = 20_000; split <= whole.length; split += 1) {
      const filter = new UsageFilter();
      const parts = [whole.subarray(0, split), whole.subarray(split)].map((part) => filter.push(part));
      expect(Buffer.concat([...parts, filter.end()]).toString('hex') === wanted).toBe(true);
    }
  }
});
