/** Law 8: the client gets the runner's bytes unchanged and at once, and no faster than it reads. */

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { streamBody } from '../../router/net/body';
import { open } from '../../router/net/outgoing';
import { Relay } from '../../router/relay/relay';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { chunk, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';
import { Reader } from '../support/wire-client';

const TEXT = `: 开始\n\n${chunk('Grüße, мир, 你好, 🙂👩‍👩‍👧 ')}${chunk('שלום\u0000\u2028')}${DONE}`;
const BYTES = new TextEncoder().encode(TEXT);
const CHUNK_BYTES = 64 * 1024;

const runner = scriptedRunner('relay-bytes');
let router: TestRouter;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('scripted', {}, runner.program)] });
  key = await (await router.person(PEOPLE.alice)).createKey();
  await (await ask(false)).text();
});
afterAll(() => router[Symbol.asyncDispose]());

const body = (stream: boolean) => JSON.stringify({ model: 'scripted', stream, messages: [] });

function ask(stream: boolean): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body(stream),
  });
}

function relay(onEnd = (_ending: string) => {}): Relay {
  return new Relay({ events: true, expectDone: true, onClientGone: 'cancel', abort: new AbortController(), onEnd });
}

async function through(pieces: readonly Uint8Array[], onEnd?: (ending: string) => void): Promise<Uint8Array> {
  const one = relay(onEnd);
  const source = pipe();
  one.attach(streamBody(source.body));
  for (const piece of pieces) source.write(piece);
  source.close();
  return new Response(one.stream()).bytes();
}

test('law 8: bytes are untouched wherever a body of many-byte characters is split in two', async () => {
  for (let at = 1; at < BYTES.length; at += 1) {
    expect(await through([BYTES.subarray(0, at), BYTES.subarray(at)])).toEqual(BYTES);
  }
});

test('law 8: bytes are untouched when they come one at a time, and the stream is known to be whole', async () => {
  const endings: string[] = [];
  const bytes = Array.from(BYTES, (byte) => Uint8Array.of(byte));
  expect(await through(bytes, (ending) => endings.push(ending))).toEqual(BYTES);
  expect(endings).toEqual(['done']);
});

test('law 8: bytes are untouched through the router, for random splits of a long stream', async () => {
  const long = new TextEncoder().encode(`${TEXT.slice(0, -DONE.length).repeat(200)}${DONE}`);
  for (const sizeMax of [7, 300, 20_000]) {
    const source = pipe();
    runner.reply = () => source.response();
    const hash = new Bun.CryptoHasher('sha256').update(long);
    // A runner sends its status together with the first byte.
    source.write(long.subarray(0, 1));
    const received = new Reading(await ask(true));
    for (let at = 1; at < long.length; ) {
      const size = 1 + Math.floor(Math.random() * sizeMax);
      source.write(long.subarray(at, at + size));
      if (Math.random() < 0.005) await until(() => received.bytes >= at, 'the client keeps up');
      at += size;
    }
    source.close();
    await received.end();
    expect(received.bytes).toBe(long.length);
    expect(received.hash()).toBe(hash.digest('hex'));
  }
});

test('law 8: the first byte is out before the last one is in', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write('data: {"fir');
  const received = new Reading(await ask(true));
  await received.until('data: {"fir');
  source.write(`st":1}\n\n${DONE}`);
  source.close();
  expect(await received.end()).toBe(`data: {"first":1}\n\n${DONE}`);
});

test('law 8: a body that is not events goes through byte for byte too', async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  runner.reply = () => new Response(bytes, { headers: { 'content-type': 'application/octet-stream' } });
  expect(await (await ask(false)).bytes()).toEqual(bytes);
});

/** A client of the router that stops and goes on at random, so that what the runner has sent waits and is read at once. */
async function haltingly(headers: Record<string, string>, stream: boolean): Promise<{ reader: Reader; id: string }> {
  const answer = await open({
    url: `${router.url}/v1/chat/completions`,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: new TextEncoder().encode(body(stream)),
    signal: new AbortController().signal,
  });
  const reader = new Reader(answer.body, () => {
    if (Math.random() < 0.5) return;
    answer.body.pause();
    setTimeout(() => answer.body.resume(), Math.random() * 3);
  });
  expect(await reader.ended()).toBe('end');
  return { reader, id: answer.headers.get('x-conversation-id') ?? '' };
}

test('law 8: a long answer arrives byte for byte at a client that stops and goes on, and is kept so for a retry', async () => {
  const long = new Uint8Array(16 * 1_048_576);
  for (let at = 0; at < long.length; at += CHUNK_BYTES) crypto.getRandomValues(long.subarray(at, at + CHUNK_BYTES));
  const hash = Bun.SHA256.hash(long, 'hex');
  runner.reply = () => new Response(long, { headers: { 'content-type': 'application/octet-stream' } });
  for (const headers of [{}, { 'idempotency-key': 'halting' }] as Record<string, string>[]) {
    const { reader } = await haltingly(headers, false);
    expect([reader.bytes, Bun.SHA256.hash(Buffer.concat(reader.pieces), 'hex')]).toEqual([long.length, hash]);
  }
});

test('law 8: a long answer is recorded byte for byte while its client stops and goes on', async () => {
  const words = Array.from({ length: 40 }, (_, index) => String.fromCharCode(0x4e00 + index).repeat(20_000));
  const text = new TextEncoder().encode(words.map((word) => chunk(word)).join('') + DONE);
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  const { reader, id } = await haltingly({ 'x-agent-stack-detach': 'true' }, true);
  expect(Bun.SHA256.hash(Buffer.concat(reader.pieces), 'hex')).toBe(Bun.SHA256.hash(text, 'hex'));
  const kept = await router.context.conversations.page(id, { limit: 1 });
  expect(kept.at(-1)?.content === words.join('')).toBe(true);
});

test('law 8: no more than one chunk is read ahead of the client', async () => {
  let pulled = 0;
  const pull = (to: ReadableStreamDefaultController<Uint8Array>) => {
    pulled += 1;
    to.enqueue(BYTES);
  };
  const one = relay();
  one.attach(streamBody(new ReadableStream({ pull }, { highWaterMark: 0 })));
  const reader = one.stream().getReader();
  expect(pulled).toBe(0);
  await reader.read();
  await reader.read();
  await setImmediate();
  expect(pulled).toBe(3);
  await reader.cancel();
});

test('law 8: memory is bounded while a client does not read', async () => {
  const total = 4_096;
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>(
    {
      pull(to) {
        sent += 1;
        to.enqueue(new Uint8Array(CHUNK_BYTES).fill(120));
        if (sent === total) to.close();
      },
    },
    { highWaterMark: 0 },
  );
  runner.reply = () => new Response(endless, { headers: { 'content-type': 'text/event-stream' } });
  const { hostname, port } = new URL(router.url);
  const socket = connect(Number(port), hostname).pause();
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `Host: ${hostname}:${port}`,
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${body(true).length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body(true)}`);
  await until(() => sent > 0, 'the runner answers');
  // Nothing moves for a while: all buffers between runner and client are full.
  let [before, still] = [-1, 0];
  await until(() => {
    still = sent === before ? still + 1 : 0;
    before = sent;
    return still > 60;
  }, 'the runner is held back');
  // The buffers of the kernel and of both ends in Bun, far below the 256 MB that wait.
  expect(sent * CHUNK_BYTES).toBeLessThan(64_000_000);
  socket.destroy();
  await until(() => router.context.runners.running().every(({ status }) => status.leases === 0), 'the lease is free');
});
