/** Which connection a request uses: an idle one if there is one, and never one whose state is in doubt. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { until } from '../../support/router';
import { holdTime, passTime, restoreTime } from '../../support/time';
import { ask, failureOf, Reader, textOf } from '../../support/wire-client';
import { answer, chunked, type Peer, type WireAsked, type WireServer, wireServer } from '../../support/wire-server';

// Connections are used again however busy the machine is.
beforeEach(holdTime);
afterEach(() => {
  restoreTime();
});

/** Asserts that the next request uses a new connection and that the previous one is closed. */
async function expectNewConnection(server: WireServer): Promise<void> {
  const before = server.peers.length;
  expect(await textOf(ask(server, { path: '/next' }))).toBe('next');
  expect(server.peers).toHaveLength(before + 1);
  await until(() => server.peers[before - 1]?.isClosed, 'the connection before it is closed');
}

/** Answers each request with the last part of its path, unless a test changes that. */
const echo = (first: (asked: WireAsked) => void) =>
  wireServer((asked) => (asked.path === '/next' ? asked.peer.send(answer('next')) : first(asked)));

const REUSED: readonly (readonly [what: string, bytes: string | Buffer, body: string])[] = [
  ['of known length', answer('ok'), 'ok'],
  ['without a body', answer(''), ''],
  ['in chunks', chunked(['o', 'k']), 'ok'],
  ['with trailers', `${chunked(['ok']).toString().slice(0, -2)}x: y\r\n\r\n`, 'ok'],
  ['of 204', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
  ['of 500', answer('oh', [], '500 Oh'), 'oh'],
  ['behind an interim one', `HTTP/1.1 100 Continue\r\n\r\n${answer('ok')}`, 'ok'],
];

test.each(REUSED)('after an answer %s its connection is used again', async (_, bytes, body) => {
  using server = echo(({ peer }) => peer.send(bytes));
  for (let count = 1; count <= 5; count += 1) {
    expect(await textOf(ask(server, { method: 'POST', body: `${count}` }))).toBe(body);
    expect(await textOf(ask(server, { path: '/next' }))).toBe('next');
  }
  expect([server.peers.length, server.requests.length]).toEqual([1, 10]);
});

test('a connection is used again for the same peer only: its port may be another one’s by then', async () => {
  using server = wireServer(({ peer }) => peer.send(answer('ok')));
  for (const peer of ['one', 'other', 'one', 'other']) expect(await textOf(ask(server, { peer }))).toBe('ok');
  expect([server.peers.length, server.requests.length]).toEqual([2, 4]);
});

test('after a HEAD its connection is used again', async () => {
  using server = wireServer(({ peer, method }) => peer.send(answer(method === 'HEAD' ? '' : 'body')));
  for (const method of ['HEAD', 'GET', 'HEAD']) await textOf(ask(server, { method }));
  expect(server.peers).toHaveLength(1);
});

test('a request whose connection ends before it was sent is said not to have arrived', async () => {
  // Like a server at its limit of requests: it closes behind an answer that does not say so.
  using server = wireServer(({ peer }) => {
    peer.send(answer('ok'));
    peer.end();
  });
  let unsent = 0;
  for (let count = 0; count < 100; count += 1) {
    const refused = await textOf(ask(server)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (refused === undefined) continue;
    expect(refused).toMatchObject({ mayHaveArrived: false });
    unsent += 1;
  }
  expect(unsent + server.requests.length).toBe(100);
});

const NOT_REUSED: readonly (readonly [what: string, bytes: string])[] = [
  ['that says close', answer('ok', ['connection: close'])],
  ['of HTTP/1.0', answer('ok').replace('1.1', '1.0')],
  ['with a byte too many', `${answer('ok')}\n`],
  ['with a second one behind it', answer('ok') + answer('not yours')],
  ['with both a length and chunks', chunked(['ok'], ['content-length: 2']).toString()],
];

test.each(NOT_REUSED)('after an answer %s its connection is closed and not used again', async (_, bytes) => {
  using server = echo(({ peer }) => peer.send(bytes));
  expect(await textOf(ask(server))).toBe('ok');
  await expectNewConnection(server);
});

test('after an answer that ends with its connection there is a new one', async () => {
  using server = echo(({ peer }) => {
    peer.send('HTTP/1.1 200 OK\r\n\r\nok');
    peer.end();
  });
  expect(await textOf(ask(server))).toBe('ok');
  await expectNewConnection(server);
});

test('after an answer that came before its request was whole the connection is closed and not used again', async () => {
  using server = echo(() => undefined);
  server.heard = (peer) => {
    if (peer !== server.peers[0] || peer.sentBytes > 0) return;
    peer.pause();
    peer.send(answer('too much', [], '413 Too Much'));
  };
  const { status, body } = await ask(server, { method: 'POST', body: new Uint8Array(20_000_000) });
  const reader = new Reader(body);
  expect([status, await reader.ended(), reader.text]).toEqual([413, 'end', 'too much']);
  server.peers[0]?.resume();
  await expectNewConnection(server);
});

test('after a body that nobody wanted the connection is closed and not used again', async () => {
  using server = echo(({ peer }) => peer.send('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'));
  const { body } = await ask(server);
  body.cancel();
  await expectNewConnection(server);
});

test('after an invalid answer the connection is closed and not reused', async () => {
  using server = echo(({ peer }) => peer.send('HTTP/1.1 200 OK\r\nno header\r\n\r\n'));
  await failureOf(ask(server));
  await expectNewConnection(server);
});

test('bytes on an idle connection end it, and never become the next answer', async () => {
  using server = echo(({ peer }) => peer.send(answer('ok')));
  await textOf(ask(server));
  server.peers[0]?.send(answer('unasked', [], '408 Request Timeout'));
  // The body is not read yet, so this request must not use that connection.
  await until(() => server.peers[0]?.isClosed, 'the connection is closed');
  await expectNewConnection(server);
});

test('a connection that rests for long is closed, and one that is in use never is', async () => {
  let working: Peer | undefined;
  using server = echo(({ peer, path }) => {
    if (path === '/work') working = peer;
    else peer.send(answer('ok'));
  });
  await textOf(ask(server));
  const work = ask(server, { path: '/work' });
  await until(() => working, 'the work has begun');
  await textOf(ask(server));
  expect(server.peers.map(({ isClosed }) => isClosed)).toEqual([false, false]);
  passTime(2_000);
  await until(() => server.peers[1]?.isClosed, 'the resting connection is closed');
  await expectNewConnection(server);
  restoreTime();
  expect(working).toBe(server.peers[0]);
  expect(working?.isClosed).toBe(false);
  working?.send(answer('done'));
  expect(await textOf(work)).toBe('done');
});

test('a connection that has rested for long is not used again, although its heartbeat is late and has not closed it', async () => {
  using server = echo(({ peer }) => peer.send(answer('ok')));
  await textOf(ask(server));
  await textOf(ask(server));
  expect(server.peers).toHaveLength(1);
  passTime(2_000);
  await textOf(ask(server));
  expect(server.peers).toHaveLength(2);
});

test('two requests at once never share a connection, and each gets its own answer', async () => {
  const waiting: WireAsked[] = [];
  using server = wireServer((asked) => waiting.push(asked));
  for (const round of [1, 2, 3]) {
    const texts = Promise.all(['a', 'b'].map((name) => textOf(ask(server, { path: `/${name}${round}` }))));
    await until(() => waiting.length === 2, 'both have arrived');
    expect(waiting[0]?.peer).not.toBe(waiting[1]?.peer);
    for (const { peer, path } of waiting.splice(0).reverse()) peer.send(answer(path));
    expect(await texts).toEqual([`/a${round}`, `/b${round}`]);
  }
  expect(server.peers).toHaveLength(2);
});

test('five hundred requests at once get five hundred answers, each its own, and so do the next', async () => {
  const open = new Set<Peer>();
  const shared: string[] = [];
  using server = wireServer(({ peer, path }) => {
    if (open.has(peer)) shared.push(path);
    open.add(peer);
    setImmediate(() => {
      open.delete(peer);
      peer.send(answer(path));
    });
  });
  const paths = Array.from({ length: 500 }, (_, number) => `/${number}`);
  for (let round = 1; round <= 2; round += 1) {
    expect(await Promise.all(paths.map((path) => textOf(ask(server, { path }))))).toEqual(paths);
  }
  expect(shared).toEqual([]);
  expect(server.peers.length).toBeLessThanOrEqual(500);
});

test('a body that is read late is its own answer’s, and has no hold on a connection that others use', async () => {
  using server = wireServer(({ peer, path }) => peer.send(answer(`the body of ${path}`)));
  const early = await Promise.all([ask(server, { path: '/1' }), ask(server, { path: '/2' })]);
  for (const { body } of early) body.pause();
  expect(await textOf(ask(server, { path: '/3' }))).toBe('the body of /3');
  expect(await textOf(Promise.resolve(early[0]))).toBe('the body of /1');
  const waiting = ask(server, { path: '/4' });
  early[1].body.cancel();
  early[0].body.cancel();
  early[0].body.pause();
  expect(await textOf(waiting)).toBe('the body of /4');
  expect(server.peers).toHaveLength(2);
});

test('a body paused at its last byte is whole, and its connection is used again', async () => {
  using server = wireServer(({ peer, path }) =>
    peer.send(path === '/chunks' ? chunked(['one', 'two']) : answer('onetwo')),
  );
  for (const path of ['/chunks', '/length', '/chunks', '/length']) {
    const { body } = await ask(server, { path });
    const reader = new Reader(body, () => body.pause());
    expect([await reader.ended(), reader.text]).toEqual(['end', 'onetwo']);
  }
  expect(server.peers).toHaveLength(1);
});

test('a request at the very end of an answer reuses its connection', async () => {
  using server = wireServer(({ peer, path }) => peer.send(answer(path)));
  const second = Promise.withResolvers<string>();
  const { body } = await ask(server, { path: '/first' });
  body.read({
    chunk: () => undefined,
    end: () => second.resolve(textOf(ask(server, { path: '/second' }))),
    lost: second.reject,
  });
  expect(await second.promise).toBe('/second');
  expect(server.peers).toHaveLength(1);
});
