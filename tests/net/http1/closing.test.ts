/** Connections that the server closes: which requests are lost, which are not, and which may have arrived. */
import { expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../support/router';
import { ask, failureOf, Reader, textOf } from '../../support/wire-client';
import { answer, chunked, type Peer, wireServer } from '../../support/wire-server';

const OK = 'HTTP/1.1 200 OK\r\n';
const codeOf = (error: unknown) => (error as { code?: string }).code;

/** The two ways in which a server may close a connection. */
const WAYS: readonly (readonly [what: string, end: (peer: Peer) => void])[] = [
  ['closes', (peer) => peer.end()],
  ['resets', (peer) => peer.cut()],
];

test.each(['end', 'terminate'])(
  'no request is lost with a resting connection that its server has ended (%s)',
  async (how) => {
    const folder = mkdtempSync(join(tmpdir(), 'agent-stack-wire-'));
    const file = join(folder, 'ended');
    writeFileSync(file, '0');
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '../../support/closing-server.ts'), how, file], {
      stdout: 'pipe',
      stderr: 'inherit',
    });
    try {
      const { value } = await child.stdout.getReader().read();
      const server = { url: `http://127.0.0.1:${Number(new TextDecoder().decode(value))}` };
      for (let first = 1; first <= 90; first += 3) {
        const texts = await Promise.all([0, 1, 2].map(() => textOf(ask(server))));
        // Each request has its own number, so none was lost or sent twice.
        expect(texts.map(Number).sort((one, other) => one - other)).toEqual([first, first + 1, first + 2]);
        // Blocks the event loop, so that the connections have ended and nothing has noticed it. They also rest for more than
        // a millisecond: one that was in use a moment ago is not checked.
        const [restsMs, deadlineMs] = [performance.now() + 2, performance.now() + 20_000];
        while (readFileSync(file, 'utf8') !== String(first + 2) || performance.now() <= restsMs) {
          expect(performance.now()).toBeLessThan(deadlineMs);
        }
      }
    } finally {
      child.kill();
      rmSync(folder, { recursive: true });
    }
  },
);

test.each(WAYS)(
  'a request whose server %s without an answer may have arrived, and is not sent again',
  async (_, end) => {
    using server = wireServer(({ peer, path }) => (path === '/' ? peer.send(answer('ok')) : end(peer)));
    for (const isNew of [true, false]) {
      if (!isNew) await textOf(ask(server));
      const before = server.requests.length;
      const { mayHaveArrived } = await failureOf(ask(server, { path: '/lost', method: 'POST', body: '{}' }));
      expect([isNew, mayHaveArrived, server.requests.length]).toEqual([isNew, true, before + 1]);
    }
    expect(server.peers).toHaveLength(2);
    expect(await textOf(ask(server))).toBe('ok');
  },
);

test.each(WAYS)('a part of a head is no answer where the server %s behind it', async (_, end) => {
  const parts = ['H', OK, `${OK}content-length: 0\r\n`, 'HTTP/1.1 100 Continue\r\n\r\n'];
  using server = wireServer(({ peer, number }) => {
    peer.send(parts[number] ?? '');
    end(peer);
  });
  for (const _part of parts) expect((await failureOf(ask(server))).mayHaveArrived).toBe(true);
  expect(server.requests).toHaveLength(parts.length);
});

test('a request to where nobody listens has not arrived', async () => {
  const server = wireServer(() => undefined);
  server[Symbol.dispose]();
  const { mayHaveArrived, cause } = await failureOf(ask(server));
  expect([mayHaveArrived, codeOf(cause)]).toEqual([false, 'ECONNREFUSED']);
});

test('a request to a name that nobody knows has not arrived', async () => {
  const { mayHaveArrived, cause } = await failureOf(ask({ url: 'http://nobody.invalid' }));
  expect([mayHaveArrived, codeOf(cause)]).toEqual([false, expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/)]);
});

const CUT: readonly (readonly [what: string, bytes: string | Buffer, body: string])[] = [
  ['of known length', `${OK}content-length: 5\r\n\r\nhell`, 'hell'],
  ['in chunks', `${OK}transfer-encoding: chunked\r\n\r\n5\r\nhell`, 'hell'],
  ['in chunks that lacks the last one', chunked(['hello']).subarray(0, -5), 'hello'],
  ['in chunks that lacks its last byte', chunked(['hello']).subarray(0, -1), 'hello'],
];

test.each(CUT)(
  'an answer %s is lost where its server closes too early, and what has come is not',
  async (_, bytes, body) => {
    for (const [, end] of WAYS) {
      using server = wireServer(({ peer }) => peer.send(bytes));
      const reader = new Reader((await ask(server)).body);
      await until(() => reader.text === body, 'the part has come');
      for (const peer of server.peers) end(peer);
      expect([await reader.ended(), codeOf(reader.cause), reader.text]).toEqual(['lost', 'ECONNRESET', body]);
    }
  },
);

test('an answer that ends with its connection is whole where the server closes, and lost where it resets', async () => {
  for (const [what, end] of WAYS) {
    using server = wireServer(({ peer }) => peer.send(`${OK}\r\nhello`));
    const reader = new Reader((await ask(server)).body);
    await until(() => reader.text === 'hello', 'the part has come');
    for (const peer of server.peers) end(peer);
    expect([what, await reader.ended()]).toEqual([what, what === 'closes' ? 'end' : 'lost']);
  }
});

test('an answer is whole although its server has stopped listening to the request', async () => {
  using server = wireServer(() => undefined);
  server.heard = (peer) => {
    if (peer.sentBytes > 0) return;
    peer.send(answer('enough'));
    peer.halfClose();
  };
  const long = { method: 'POST', body: new Uint8Array(20_000_000) };
  for (let count = 1; count <= 2; count += 1) expect(await textOf(ask(server, long))).toBe('enough');
  expect(server.peers).toHaveLength(2);
});

test('a server that stops sending in the middle of a request gives no answer', async () => {
  using server = wireServer(() => undefined);
  server.heard = (peer) => peer.halfClose();
  const failure = await failureOf(ask(server, { method: 'POST', body: new Uint8Array(20_000_000) }));
  expect(failure.mayHaveArrived).toBe(true);
  await until(() => server.peers[0]?.isClosed, 'the server sees the connection close');
});

const FRAMINGS: readonly (readonly [what: string, head: string, rest: string | Buffer])[] = [
  ['of known length', `${OK}content-length: 5\r\n\r\n`, 'hello'],
  ['of a length that is not there yet', `${OK}content-length: 50\r\n\r\n`, 'hello'],
  ['in chunks', `${OK}transfer-encoding: chunked\r\n\r\n`, chunked(['hello']).subarray(-15)],
  ['that ends with its connection', `${OK}\r\n`, 'hello'],
];

test.each(FRAMINGS)(
  'a reader that throws at an answer %s loses it, and no other reader does',
  async (_, head, rest) => {
    using server = wireServer(({ peer, path }) => peer.send(path === '/ok' ? answer('ok') : head));
    const error = new Error('thrown by a sink');
    const reader = new Reader((await ask(server)).body, () => {
      throw error;
    });
    server.peers[0]?.send(rest);
    await until(() => server.peers[0]?.isClosed, 'the connection is closed');
    expect([reader.endings, reader.cause, reader.text]).toEqual([['lost'], error, 'hello']);
    expect(await textOf(ask(server, { path: '/ok' }))).toBe('ok');
    expect(server.peers).toHaveLength(2);
  },
);
