/** Aborted requests: the caller gets the reason at once, and the server sees the connection close. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../support/router';
import { holdTime, passTime, restoreTime } from '../../support/time';
import { ask, Reader, textOf } from '../../support/wire-client';
import { answer, type WireServer, wireServer } from '../../support/wire-server';

// Connections are used again however busy the machine is.
beforeEach(holdTime);
afterEach(() => {
  restoreTime();
});

const REASON = new Error('not wanted any more');
const PART = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart';
const reasonOf = (asking: Promise<unknown>) =>
  asking.then(
    () => 'answered',
    (reason: unknown) => reason,
  );
const closed = (server: WireServer) =>
  until(() => server.peers.length > 0 && server.peers.every(({ isClosed }) => isClosed), 'the server sees the close');

/** A server that never answers `/silent`, and answers every other path. */
const quiet = () => wireServer(({ peer, path }) => path !== '/silent' && peer.send(answer('ok')));

test('a request that was aborted before it began is not sent on any connection', async () => {
  using server = quiet();
  const signal = AbortSignal.abort(REASON);
  expect(await reasonOf(ask(server, { signal }))).toBe(REASON);
  expect(server.peers).toHaveLength(0);
  for (const restedMs of [0, 100]) {
    await textOf(ask(server));
    passTime(restedMs);
    expect(await reasonOf(ask(server, { signal, path: '/never' }))).toBe(REASON);
  }
  await textOf(ask(server));
  expect([server.peers.length, server.requests.map(({ path }) => path)]).toEqual([1, ['/', '/', '/']]);
});

test('a request given up while it connects is not sent, and its connection is left to the next one', async () => {
  using server = quiet();
  const abort = new AbortController();
  const asking = reasonOf(ask(server, { signal: abort.signal, path: '/never' }));
  abort.abort(REASON);
  expect(await asking).toBe(REASON);
  await until(() => server.peers[0], 'it has connected');
  await textOf(ask(server));
  expect(server.requests.map(({ path }) => path)).toEqual(['/']);
  expect(server.peers).toHaveLength(1);
});

test('a request given up while it looks at a connection that has rested is not sent, and the connection stays', async () => {
  using server = quiet();
  await textOf(ask(server));
  passTime(100);
  const abort = new AbortController();
  const asking = reasonOf(ask(server, { signal: abort.signal, path: '/never' }));
  abort.abort(REASON);
  expect(await asking).toBe(REASON);
  await textOf(ask(server));
  expect(server.requests.map(({ path }) => path)).toEqual(['/', '/']);
  expect(server.peers).toHaveLength(1);
});

test('a request aborted while it connects rejects with the abort’s reason, and not with the failure to connect', async () => {
  const server = quiet();
  server[Symbol.dispose]();
  const abort = new AbortController();
  const asking = reasonOf(ask(server, { signal: abort.signal }));
  abort.abort(REASON);
  expect(await asking).toBe(REASON);
});

test('a request that waits for its head rejects at once with the reason, whatever it is', async () => {
  for (const reason of [REASON, 'a word', undefined]) {
    using server = quiet();
    const abort = new AbortController();
    const asking = reasonOf(ask(server, { signal: abort.signal, path: '/silent' }));
    await until(() => server.requests.length, 'it was asked');
    abort.abort(reason);
    expect(await asking).toBe(abort.signal.reason);
    await closed(server);
    expect(server.requests).toHaveLength(1);
  }
});

test('a request given up in the middle of its upload ends there', async () => {
  using server = quiet();
  const abort = new AbortController();
  server.heard = (peer) => {
    peer.pause();
    abort.abort(REASON);
  };
  const long = { method: 'POST', body: new Uint8Array(20_000_000), signal: abort.signal };
  expect(await reasonOf(ask(server, long))).toBe(REASON);
  server.heard = () => undefined;
  server.peers[0]?.resume();
  await closed(server);
  expect(server.requests).toHaveLength(0);
});

test('a reader of an aborted body gets the reason once and nothing more, paused or not', async () => {
  for (const isPaused of [false, true]) {
    using server = wireServer(({ peer }) => peer.send(PART));
    const abort = new AbortController();
    const { body } = await ask(server, { signal: abort.signal });
    const reader = new Reader(body);
    await until(() => reader.text === 'part', 'the part has come');
    if (isPaused) body.pause();
    // The request is being sent and was aborted.
    server.peers[0]?.send('more');
    abort.abort(REASON);
    expect([reader.endings, reader.cause, reader.text]).toEqual([['lost'], REASON, 'part']);
    for (const late of [() => body.resume(), () => body.pause(), () => body.cancel()]) late();
    await closed(server);
    expect([reader.endings, reader.text]).toEqual([['lost'], 'part']);
  }
});

test('a reader that begins after the abort gets the reason', async () => {
  using server = wireServer(({ peer }) => peer.send(PART));
  const abort = new AbortController();
  const { body } = await ask(server, { signal: abort.signal });
  abort.abort(REASON);
  await closed(server);
  const reader = new Reader(body);
  expect([await reader.ended(), reader.cause]).toEqual(['lost', REASON]);
});

test('a reader of a compressed body gets the reason too', async () => {
  using server = wireServer(({ peer }) => {
    peer.send('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 500000\r\n\r\n');
    peer.send(gzipSync('x'.repeat(100_000)).subarray(0, 50));
  });
  const abort = new AbortController();
  const { body } = await ask(server, { signal: abort.signal });
  const reader = new Reader(body);
  abort.abort(REASON);
  expect([await reader.ended(), reader.cause]).toEqual(['lost', REASON]);
  await closed(server);
});

const FRAMINGS = ['content-length: 50', 'content-length: 4', 'x: y', 'transfer-encoding: chunked'];

test.each(['abort', 'cancel'] as const)(
  'a body is over for whoever says so in the middle of a piece (%s)',
  async (how) => {
    for (const framing of FRAMINGS) {
      using server = wireServer(({ peer, path }) =>
        peer.send(path === '/next' ? answer('next') : `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`),
      );
      const abort = new AbortController();
      const { body } = await ask(server, { signal: abort.signal });
      const reader = new Reader(body, () => (how === 'abort' ? abort.abort(REASON) : body.cancel()));
      server.peers[0]?.send(framing.startsWith('transfer') ? '4\r\npart\r\n4\r\nmore\r\n0\r\n\r\n' : 'part');
      await closed(server);
      expect([framing, reader.pieces.length, reader.endings]).toEqual([framing, 1, how === 'abort' ? ['lost'] : []]);
      expect(await textOf(ask(server, { path: '/next' }))).toBe('next');
      expect(server.peers).toHaveLength(2);
    }
  },
);

test('a body that is cancelled before it is read delivers nothing, also to a later reader', async () => {
  using server = wireServer(({ peer }) => peer.send(PART));
  const { body } = await ask(server);
  body.cancel();
  await closed(server);
  const reader = new Reader(body);
  body.cancel();
  expect([reader.pieces, reader.endings]).toEqual([[], []]);
});

test('a signal that comes after the end ends nothing, least of all who uses the connection by then', async () => {
  using server = wireServer(({ peer, path }) => path === '/' && peer.send(answer('ok')));
  const abort = new AbortController();
  const { body } = await ask(server, { signal: abort.signal });
  const reader = new Reader(body);
  expect(await reader.ended()).toBe('end');
  const next = textOf(ask(server, { path: '/next' }));
  await until(() => server.requests.length === 2, 'the next one was asked');
  abort.abort(REASON);
  server.peers[0]?.send(answer('next'));
  expect([await next, reader.endings, server.peers.length]).toEqual(['next', ['end'], 1]);
});

test('one signal aborts all of its own requests, and no others', async () => {
  using server = quiet();
  const abort = new AbortController();
  const ask10 = (signal: AbortSignal) =>
    Array.from({ length: 10 }, () => reasonOf(ask(server, { signal, path: '/silent' })));
  const ended = Promise.all(ask10(abort.signal));
  const others = Promise.all(ask10(new AbortController().signal));
  await until(() => server.requests.length === 20, 'all are asked');
  abort.abort(REASON);
  expect(new Set(await ended)).toEqual(new Set([REASON]));
  await until(() => server.peers.filter(({ isClosed }) => isClosed).length === 10, 'ten connections are closed');
  for (const peer of server.peers) if (!peer.isClosed) peer.send(answer('late'));
  expect(new Set(await others)).toEqual(new Set(['answered']));
});
