/** Law 8 on the wire: long bodies in both directions, byte for byte, and no faster than they are read. */
import { expect, test } from 'bun:test';
import { randomFillSync } from 'node:crypto';
import { until } from '../../support/router';
import { ask, Reader, textOf } from '../../support/wire-client';
import { answer, chunked, type Peer, wireServer } from '../../support/wire-server';

const MB = 1_048_576;
const BYTES = new Uint8Array(50 * MB);
for (let at = 0; at < BYTES.length; at += MB) randomFillSync(BYTES, at, MB);
/** The most that the kernel buffers for both ends of one connection; up to 36 MB on Linux. */
const KERNEL_BYTES_MAX = 48 * MB;
const OK = 'HTTP/1.1 200 OK\r\n';

const hash = (bytes: Uint8Array | readonly Uint8Array[]) => {
  const hasher = new Bun.CryptoHasher('sha256');
  for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) hasher.update(piece);
  return hasher.digest('hex');
};

/** Resolves when nothing has changed for a while. */
async function still(value: () => number): Promise<void> {
  let [before, times] = [-1, 0];
  await until(() => {
    times = value() === before ? times + 1 : 0;
    before = value();
    return times > 20;
  }, 'it stands still');
}

test('law 8: a request’s body of every size arrives byte for byte, however slowly it is read', async () => {
  using server = wireServer(({ peer, body }) => peer.send(answer(hash(body))));
  server.heard = (peer) => {
    peer.pause();
    setImmediate(() => peer.resume());
  };
  for (const size of [0, 1, 65_535, 65_536, 65_537, 20 * MB, 3]) {
    const body = BYTES.slice(size, size + size);
    expect([size, await textOf(ask(server, { method: 'POST', body }))]).toEqual([size, hash(body)]);
  }
  const text = 'Grüße, 你好 🙂 '.repeat(10_000);
  expect(await textOf(ask(server, { method: 'POST', body: text }))).toBe(hash(Buffer.from(text)));
  expect(server.peers).toHaveLength(1);
});

test('law 8: a request goes on while its answer has begun, and while that is not read', async () => {
  using server = wireServer(({ peer, body }) => peer.send(`${hash(body)}\r\n0\r\n\r\n`));
  server.heard = (peer) => {
    if (peer.sentBytes === 0) peer.send(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nearly\r\n40\r\n`);
  };
  const sent = BYTES.slice(0, 20 * MB);
  for (const isPaused of [false, true]) {
    const { body } = await ask(server, { method: 'POST', body: sent });
    const reader = new Reader(body);
    if (isPaused) body.pause();
    await until(() => server.requests.length > 0, 'the request has arrived');
    body.resume();
    expect([await reader.ended(), reader.text]).toEqual(['end', `early${hash(sent)}`]);
    for (const peer of server.peers) peer.sentBytes = 0;
    expect(server.peers).toHaveLength(1);
  }
});

/** Answers of 50 MB, as bytes on the wire. */
const LONG: readonly (readonly [what: string, send: (peer: Peer) => void])[] = [
  [
    'of known length',
    (peer) => {
      peer.send(`${OK}content-length: ${BYTES.length}\r\n\r\n`);
      peer.send(BYTES);
    },
  ],
  ['in chunks of every size', (peer) => peer.send(CHUNKED)],
  [
    'that ends with its connection',
    (peer) => {
      peer.send(`${OK}\r\n`);
      peer.send(BYTES);
      peer.end();
    },
  ],
];
const CHUNKED = chunked([...pieces(BYTES)]);

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let [at, size] = [0, 1]; at < bytes.length; at += size, size = 1 + Math.floor(Math.random() ** 8 * MB)) {
    yield bytes.subarray(at, at + size);
  }
}

test.each(LONG)(
  'law 8: an answer %s arrives byte for byte where its reader stops and goes on at random',
  async (_, send) => {
    using server = wireServer(({ peer, path }) => (path === '/' ? send(peer) : peer.send(answer('next'))));
    const { body } = await ask(server);
    const reader = new Reader(body, () => {
      if (Math.random() < 0.5) return;
      body.pause();
      if (Math.random() < 0.2) body.resume();
      else setTimeout(() => body.resume(), Math.random() * 3);
    });
    expect(await reader.ended()).toBe('end');
    expect([reader.bytes, hash(reader.pieces)]).toEqual([BYTES.length, hash(BYTES)]);
    expect(await textOf(ask(server, { path: '/next' }))).toBe('next');
  },
);

const STOPS: readonly (readonly [what: string, at: number])[] = [
  ['before it is read', 0],
  ['at its first piece', 1],
  ['in the middle', 10 * MB],
];

test.each(STOPS)('law 8: a server is held back by a reader that stops %s, and nothing is lost', async (_, at) => {
  using server = wireServer(({ peer }) => {
    peer.send(`${OK}content-length: ${2 * BYTES.length}\r\n\r\n`);
    for (let round = 1; round <= 2; round += 1) peer.send(BYTES);
  });
  const { body } = await ask(server);
  const reading = at === 0 ? undefined : new Reader(body, ({ bytes }) => bytes >= at && body.pause());
  await still(() => server.peers[0]?.sentBytes ?? 0);
  const told = reading?.bytes ?? 0;
  expect(told).toBeGreaterThanOrEqual(at);
  expect((server.peers[0]?.sentBytes ?? 0) - told).toBeLessThan(KERNEL_BYTES_MAX);
  await still(() => reading?.bytes ?? 0);
  expect(reading?.bytes ?? 0).toBe(told);
  // A server may send the body without a preceding 100 Continue.
  const reader = reading ?? new Reader(body);
  reader.onChunk = () => undefined;
  if (reading) body.resume();
  expect(await reader.ended()).toBe('end');
  expect(hash(reader.pieces)).toBe(hash([BYTES, BYTES]));
});

test('law 8: a reader that stops at the first of the pieces that were kept for it gets no others', async () => {
  using server = wireServer(({ peer }) => LONG[0]?.[1](peer));
  const { body } = await ask(server);
  await still(() => server.peers[0]?.sentBytes ?? 0);
  const reader = new Reader(body, ({ pieces }) => pieces.length === 1 && body.pause());
  const kept = reader.bytes;
  await still(() => reader.bytes);
  expect(reader.bytes).toBe(kept);
  body.resume();
  expect(await reader.ended()).toBe('end');
  expect(hash(reader.pieces)).toBe(hash(BYTES));
});

test('law 8: a reader that wants no more at the first of the pieces that were kept for it gets no others', async () => {
  using server = wireServer(({ peer }) => LONG[0]?.[1](peer));
  const { body } = await ask(server);
  await still(() => server.peers[0]?.sentBytes ?? 0);
  const reader = new Reader(body, () => body.cancel());
  await until(() => server.peers[0]?.isClosed, 'the server sees the connection close');
  expect([reader.pieces.length, reader.endings]).toEqual([1, []]);
});

test('law 8: nothing is lost where a server has sent everything and closed while its reader had stopped', async () => {
  const some = Buffer.from(BYTES.subarray(0, 200_000));
  for (const framing of [`content-length: ${some.length}\r\n`, '']) {
    using server = wireServer(({ peer }) => {
      peer.send(`${OK}${framing}\r\n`);
      peer.send(some);
      peer.end();
    });
    const { body } = await ask(server);
    const reader = new Reader(body, () => body.pause());
    await until(() => server.peers[0]?.isClosed, 'the server has closed');
    await still(() => reader.bytes);
    expect([reader.bytes < some.length, reader.endings]).toEqual([true, []]);
    reader.onChunk = () => undefined;
    body.resume();
    expect([await reader.ended(), hash(reader.pieces)]).toEqual(['end', hash(some)]);
  }
});

test('law 8: each piece is there before the next one is sent', async () => {
  using server = wireServer(({ peer }) => peer.send(`${OK}transfer-encoding: chunked\r\n\r\n`));
  const reader = new Reader((await ask(server)).body);
  for (const part of ['one', ' two', ' three']) {
    server.peers[0]?.send(`${part.length}\r\n${part}\r\n`);
    await until(() => reader.text.endsWith(part), `"${part}" has come`);
    expect(reader.endings).toEqual([]);
  }
  server.peers[0]?.send('0\r\n\r\n');
  expect([await reader.ended(), reader.text]).toEqual(['end', 'one two three']);
});

test('law 8: an answer is the same where each of its bytes comes by itself', async () => {
  const bytes = Buffer.from(`HTTP/1.1 103 Early\r\n\r\n${chunked(['one', '\r\n\r\n', '0'])}`);
  using server = wireServer(async ({ peer }) => {
    for (const byte of bytes) {
      peer.send(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
  });
  for (let count = 1; count <= 2; count += 1) expect(await textOf(ask(server))).toBe('one\r\n\r\n0');
  expect(server.peers).toHaveLength(1);
});
