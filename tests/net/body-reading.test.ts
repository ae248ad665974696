/** Reads bodies as a web stream and as text. */
import { expect, test } from 'bun:test';
import { setImmediate } from 'node:timers/promises';
import { bodyOf, readText, streamBody, streamOf } from '../../router/net/body';
import { bytes, Source } from '../support/scripted-body';

const FAULT = new Error('a fault');
const MB = 1_048_576;

test('a body as a stream has the same pieces and the same end', async () => {
  const source = new Source();
  const reader = streamOf(source).getReader();
  for (const text of ['a', 'bc']) {
    const read = reader.read();
    await setImmediate();
    source.say(text);
    expect(await read).toEqual({ done: false, value: bytes(text) });
  }
  const last = reader.read();
  source.end();
  expect(await last).toEqual({ done: true, value: undefined });
  expect(await new Response(streamOf(bodyOf(bytes('all')))).text()).toBe('all');
  expect(await new Response(streamOf(bodyOf(new Uint8Array()))).text()).toBe('');
});

test('a body that breaks off becomes a stream that fails after the bytes that have arrived', async () => {
  const source = new Source();
  const reader = streamOf(source).getReader();
  const read = reader.read();
  await setImmediate();
  source.say('a');
  await read;
  const next = reader.read();
  source.lose(FAULT);
  expect(await next.catch((cause: unknown) => cause)).toBe(FAULT);
});

test('a body as a stream is read only while its reader wants more', async () => {
  const source = new Source();
  const reader = streamOf(source).getReader();
  await setImmediate();
  expect(source.asked).toEqual([]);
  const first = reader.read();
  await setImmediate();
  source.say('a');
  await first;
  expect(source.asked).toEqual(['read']);
  // Nothing has requested these chunks.
  source.say('b');
  source.say('c');
  expect(source.asked).toEqual(['read', 'pause', 'pause']);
  expect(await Promise.all([reader.read(), reader.read()])).toMatchObject([
    { value: bytes('b') },
    { value: bytes('c') },
  ]);
  expect(source.asked.at(-1)).toBe('pause');
  const next = reader.read();
  await setImmediate();
  expect(source.asked.at(-1)).toBe('resume');
  source.say('d');
  expect(await next).toMatchObject({ value: bytes('d') });
});

test('a stream that nobody wants is a body that nobody wants, begun or not', async () => {
  for (const isBegun of [false, true]) {
    const source = new Source();
    const reader = streamOf(source).getReader();
    if (isBegun) void reader.read();
    await setImmediate();
    await reader.cancel();
    source.say('late');
    source.end();
    expect(source.asked).toEqual(isBegun ? ['read', 'cancel'] : ['cancel']);
  }
});

test('a body is the same there and back, and so is its end', async () => {
  const long = crypto.getRandomValues(new Uint8Array(60_000));
  const back = streamBody(streamOf(streamBody(new Blob([long]).stream())));
  expect(await new Response(streamOf(back)).bytes()).toEqual(long);
});

test('a text is whole wherever its characters are split', async () => {
  const text = 'Grüße, 你好 🙂';
  const all = bytes(text);
  for (let at = 0; at <= all.length; at += 1) {
    const source = new Source();
    const read = readText(source, 1_000);
    for (const piece of [all.subarray(0, at), all.subarray(at)]) source.push(piece);
    source.end();
    expect(await read).toBe(text);
  }
  expect(await readText(bodyOf(new Uint8Array()), 10)).toBe('');
});

test('of a long text there is the beginning, and its body is read no further', async () => {
  const source = new Source();
  const read = readText(source, 5);
  for (const text of ['abc', 'def', 'ghi']) source.say(text);
  expect([await read, source.asked]).toEqual(['abcde', ['read', 'cancel']]);
  expect(await readText(bodyOf(bytes('all at once')), 5)).toBe('all a');
});

test('a body without an end is read no further than a text may be long', async () => {
  let pulled = 0;
  const pull = (to: ReadableStreamDefaultController<Uint8Array>) => {
    pulled += 1;
    to.enqueue(new Uint8Array(MB / 4).fill(120));
  };
  const text = await readText(streamBody(new ReadableStream({ pull }, { highWaterMark: 0 })), MB);
  expect([text.length, pulled]).toEqual([MB, 4]);
});

test('a text that breaks off is returned as far as it has arrived', async () => {
  const source = new Source();
  const read = readText(source, 1_000);
  source.say('half a rea');
  source.lose(FAULT);
  expect(await read).toBe('half a rea');
});
