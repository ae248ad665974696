/** Requests as bytes on the wire, and the answers that the router's clients get for them. */
import { expect, test } from 'bun:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { isShort } from '../../../router/net/outgoing';
import { until } from '../../support/router';
import { ask, failureOf, Reader, textOf } from '../../support/wire-client';
import { answer, chunked, wireServer } from '../../support/wire-server';

const ok = () => wireServer(({ peer }) => peer.send(answer('ok')));

test('a request says what it was given, where it goes and how it ends, and nothing else', async () => {
  using server = ok();
  await textOf(ask(server, { path: '/v1/a%20b?c=d', headers: { accept: 'text/plain', 'x-id': '1' } }));
  await textOf(ask(server, { method: 'POST', body: '{"é":1}', headers: { 'content-type': 'application/json' } }));
  await textOf(ask(server, { method: 'DELETE' }));
  const own = [`host: 127.0.0.1:${server.port}`, 'accept-encoding: identity'];
  expect(server.requests.map(({ head }) => head.split('\r\n'))).toEqual([
    ['GET /v1/a%20b?c=d HTTP/1.1', ...own, 'accept: text/plain', 'x-id: 1'],
    ['POST / HTTP/1.1', ...own, 'content-type: application/json', 'content-length: 8'],
    ['DELETE / HTTP/1.1', ...own, 'content-length: 0'],
  ]);
  expect(server.requests.map(({ body }) => body.toString())).toEqual(['', '{"é":1}', '']);
});

test('where a request goes and where it ends is not a caller’s to say', async () => {
  using server = ok();
  const headers = {
    ...{ host: 'evil.test', connection: 'close', 'content-length': '1', 'transfer-encoding': 'chunked' },
    'accept-encoding': 'gzip',
  };
  await textOf(ask(server, { method: 'POST', body: 'abc', headers }));
  expect(server.requests[0]?.head.split('\r\n').slice(1)).toEqual([
    `host: 127.0.0.1:${server.port}`,
    'accept-encoding: identity',
    'content-length: 3',
  ]);
  expect(server.requests[0]?.body.toString()).toBe('abc');
});

test('a header that would be another request is refused, and nothing is sent', async () => {
  using server = ok();
  // The low byte of the last characters is CR, LF or NUL.
  const values = [
    'a\r\nx: y',
    'a\n',
    '\r',
    'a\0',
    '\u0001',
    '\u20ac',
    'ā',
    '\u010a',
    '\u010d',
    '\u0100',
    'a\ud83d\ude42',
  ];
  const names = ['x y', 'x:', 'x\r\ny', 'x\n', '', 'é', 'x\u010a', 'Host', 'Content-Length'];
  const headers = [...values.map((value) => ({ x: value })), ...names.map((name) => ({ [name]: '1' }))];
  for (const bad of headers) {
    const { cause, mayHaveArrived } = await failureOf(ask(server, { headers: bad }));
    expect([bad, cause, mayHaveArrived]).toEqual([bad, expect.any(TypeError), false]);
  }
  for (const method of ['GET /x HTTP/1.1\r\nx: y', 'GE T', 'G\u010aT', '']) {
    expect((await failureOf(ask(server, { method }))).cause).toBeInstanceOf(TypeError);
  }
  expect(server.peers).toHaveLength(0);
  await textOf(ask(server));
  expect(server.requests).toHaveLength(1);
});

test('a header may have every character that is one byte and ends no line', async () => {
  using server = ok();
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte === 9 || byte >= 32);
  const value = `<${Buffer.from(bytes).toString('latin1')}>`;
  await textOf(ask(server, { headers: { x: value } }));
  expect(server.requests[0]?.head).toEndWith(`\r\nx: ${value}`);
});

test('every path gives one request with one request line', async () => {
  using server = ok();
  for (const path of ['/a b', '/a\r\nx: y', '/a HTTP/1.1\r\n\r\nGET /b', '/ü?q=ü b\n', '/a\0#b', '/\u010a\u010d']) {
    await textOf(ask(server, { path }));
  }
  expect(server.requests.map(({ head }) => head.split('\r\n')[0])).toEqual([
    ...['GET /a%20b HTTP/1.1', 'GET /ax:%20y HTTP/1.1', 'GET /a%20HTTP/1.1GET%20/b HTTP/1.1'],
    ...['GET /%C3%BC?q=%C3%BC%20b HTTP/1.1', 'GET /a%00 HTTP/1.1', 'GET /%C4%8A%C4%8D HTTP/1.1'],
  ]);
  expect(server.requests.every(({ head }) => head.split('\r\n').length === 3)).toBe(true);
});

test('an address takes the place of the host’s own, and the host is named all the same', async () => {
  using server = ok();
  const { port } = server;
  await textOf(ask({ url: `http://nobody.test:${port}` }, { address: '127.0.0.1' }));
  await textOf(ask({ url: `http://[::ffff:7f00:1]:${port}` }, { address: '127.0.0.1' }));
  const hosts = server.requests.map(({ head }) => /^host: (.*)$/m.exec(head)?.[1]);
  expect(hosts).toEqual([`nobody.test:${port}`, `[::ffff:7f00:1]:${port}`]);
});

const hasIpv6 = () => {
  try {
    wireServer(() => undefined, '::1')[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
};

test.skipIf(!hasIpv6())('a URL may name an address of IPv6', async () => {
  using server = wireServer(({ peer }) => peer.send(answer('six')), '::1');
  expect(await textOf(ask(server))).toBe('six');
  expect(await textOf(ask({ url: `http://six.test:${server.port}` }, { address: '::1' }))).toBe('six');
  const hosts = server.requests.map(({ head }) => /^host: (.*)$/m.exec(head)?.[1]);
  expect(hosts).toEqual([`[::1]:${server.port}`, `six.test:${server.port}`]);
  expect(server.peers).toHaveLength(1);
});

const TEXT = 'plain words, '.repeat(5_000);
const CODINGS: readonly (readonly [coding: string, bytes: Uint8Array])[] = [
  ['gzip', gzipSync(TEXT)],
  ['X-GZip', gzipSync(TEXT)],
  ['deflate', deflateSync(TEXT)],
  ['br', brotliCompressSync(TEXT)],
  ['zstd', zstdCompressSync(TEXT)],
];

test.each(CODINGS)(
  'an answer in %s is read as what it was before, and its length is not told',
  async (coding, bytes) => {
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ncontent-type: text/plain\r\n`;
    const framed = Buffer.concat([Buffer.from(`${head}content-length: ${bytes.length}\r\n\r\n`), bytes]);
    const halves = [bytes.subarray(0, 50), bytes.subarray(50)];
    for (const whole of [framed, chunked(halves, [`content-encoding: ${coding}`])]) {
      using server = wireServer(({ peer }) => peer.send(whole));
      const { headers, body } = await ask(server);
      expect([headers.get('content-length'), isShort(headers)]).toEqual([null, false]);
      const reader = new Reader(body);
      expect(await reader.ended()).toBe('end');
      expect(reader.text).toBe(TEXT);
    }
  },
);

test.each(CODINGS)('an answer in %s without a body has none', async (coding) => {
  const head = `content-encoding: ${coding}\r\n`;
  const empty = `HTTP/1.1 200 OK\r\n${head}content-length: 0\r\n\r\n`;
  const answers = { GET: empty, HEAD: `HTTP/1.1 200 OK\r\n${head}content-length: 50\r\n\r\n` };
  const others = ['204 No Content', '304 Not Modified'].map((status) => `HTTP/1.1 ${status}\r\n${head}\r\n`);
  using server = wireServer(({ peer, path }) => peer.send(decodeURIComponent(path.slice(1))));
  for (const bytes of [empty, ...others])
    expect(await textOf(ask(server, { path: `/${encodeURIComponent(bytes)}` }))).toBe('');
  expect(await textOf(ask(server, { path: `/${encodeURIComponent(answers.HEAD)}`, method: 'HEAD' }))).toBe('');
});

test('a compressed answer that is cut or broken is not taken for a whole one', async () => {
  const bytes = gzipSync(TEXT);
  for (const broken of [bytes.subarray(0, -10), Buffer.from('no gzip at all')]) {
    using server = wireServer(({ peer }) => peer.send(chunked([broken], ['content-encoding: gzip'])));
    expect(await new Reader((await ask(server)).body).ended()).toBe('lost');
  }
});

test('a compressed answer that nobody wants any more is ended at its server', async () => {
  using server = wireServer(({ peer }) => {
    peer.send(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 500000\r\n\r\n`);
    peer.send(gzipSync(TEXT).subarray(0, 100));
  });
  const { body } = await ask(server);
  const reader = new Reader(body);
  body.cancel();
  await until(() => server.peers[0]?.isClosed, 'the server sees the connection close');
  expect(reader.endings).toEqual([]);
});

test('a status that HTTP has no meaning for is no answer, and its body is not waited for', async () => {
  using server = wireServer(({ peer, path }) =>
    peer.send(`HTTP/1.1 ${path.slice(1)} Odd\r\ncontent-length: 9\r\n\r\nodd`),
  );
  for (const status of ['600', '999']) {
    const { mayHaveArrived, message } = await failureOf(ask(server, { path: `/${status}` }));
    expect([mayHaveArrived, message]).toEqual([true, `The answer had the status ${status}`]);
  }
  await until(() => server.peers.every(({ isClosed }) => isClosed), 'the connections are closed');
  const { status, body } = await ask(server, { path: '/599' });
  body.cancel();
  expect([status, server.peers.length]).toEqual([599, 3]);
});

test('a redirect is an answer like any other', async () => {
  using server = wireServer(({ peer }) => peer.send(answer('', ['location: /there'], '307 There')));
  const { status, headers } = await ask(server);
  expect([status, headers.get('location'), server.requests.length]).toEqual([307, '/there', 1]);
});

test('bytes that are no HTTP fail the request, which may have arrived', async () => {
  using server = wireServer(({ peer }) => peer.send('SSH-2.0-OpenSSH_9.6\r\n\r\n'));
  const { mayHaveArrived, cause } = await failureOf(ask(server));
  expect([mayHaveArrived, (cause as Error).name]).toEqual([true, 'MalformedError']);
  await until(() => server.peers[0]?.isClosed, 'the server sees the connection close');
});

test('an answer in chunks is never taken for a short one, whatever length it says it has', async () => {
  using server = wireServer(({ peer, path }) =>
    peer.send(path === '/' ? answer('short') : chunked(['long'], ['content-length: 4'])),
  );
  expect(isShort((await ask(server)).headers)).toBe(true);
  expect(isShort((await ask(server, { path: '/chunks' })).headers)).toBe(false);
});
