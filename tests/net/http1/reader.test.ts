/** Reads answers of HTTP/1.1, whole and in pieces, and finds their ends (https://www.rfc-editor.org/rfc/rfc9112). */
import { expect, test } from 'bun:test';
import { MalformedError } from '../../../router/net/http1/head';
import { WireReader } from '../../../router/net/http1/reader';
import { type Reading, readPieces, readWire } from '../../support/wire-reading';
import { answer, chunked } from '../../support/wire-server';

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n';
const shown = ({ head, status, body, isWhole, isReusable }: Reading) => ({
  ...{ status, body, isWhole, isReusable },
  type: head?.get('content-type'),
});

/** Complete answers: bytes, body, and whether the connection may be reused. */
const WHOLE: readonly (readonly [what: string, bytes: string, body: string, isReusable: boolean])[] = [
  ['of known length', `${HEAD}content-length: 11\r\n\r\nhello\r\n\r\nyo`, 'hello\r\n\r\nyo', true],
  ['without a byte', `${HEAD}content-length: 0\r\n\r\n`, '', true],
  [
    'in chunks',
    `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n,\r\n00a\r\n\r\n0\r\n\r\n123\r\n0\r\n\r\n`,
    'hello,\r\n0\r\n\r\n123',
    true,
  ],
  ['in no chunks', `${HEAD}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`, '', true],
  [
    'with chunk extensions',
    `${HEAD}transfer-encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3 ; c="d;e"\r\nllo\r\n0;last\r\n\r\n`,
    'hello',
    true,
  ],
  [
    'with trailers',
    `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\ncontent-length: 9\r\n\r\n`,
    'hello',
    true,
  ],
  [
    'behind interim answers',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\ncontent-type: no\r\ncontent-length: 3\r\n\r\n${HEAD}content-length: 2\r\n\r\nok`,
    'ok',
    true,
  ],
  ['with the last byte of one that is longer than it says', `${HEAD}content-length: 2\r\n\r\nokX`, 'ok', false],
  ['with a second answer behind it', `${HEAD}content-length: 2\r\n\r\nok${answer('no')}`, 'ok', false],
  ['in chunks, with a byte behind it', `${HEAD}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\n`, 'ok', false],
  ['whose connection closes', `${HEAD}connection: close\r\ncontent-length: 2\r\n\r\nok`, 'ok', false],
  [
    'whose connection closes, among other words',
    `${HEAD}connection: keep-alive\r\nConnection: x, CLOSE\r\ncontent-length: 2\r\n\r\nok`,
    'ok',
    false,
  ],
  ['whose connection stays', `${HEAD}connection: keep-alive\r\ncontent-length: 2\r\n\r\nok`, 'ok', true],
  ['of HTTP/1.0', `${HEAD.replace('1.1', '1.0')}content-length: 2\r\n\r\nok`, 'ok', false],
  [
    'of HTTP/1.0 that would stay',
    `${HEAD.replace('1.1', '1.0')}connection: keep-alive\r\ncontent-length: 2\r\n\r\nok`,
    'ok',
    false,
  ],
];

test.each(WHOLE)('an answer %s is the same wherever it is split in two', (_, bytes, body, isReusable) => {
  const expected = { status: 200, body, isWhole: true, isReusable, type: 'text/plain' };
  for (let at = 0; at <= bytes.length; at += 1) {
    expect(shown(readPieces([bytes.slice(0, at), bytes.slice(at)]))).toEqual(expected);
  }
});

test.each(WHOLE)('an answer %s is the same byte by byte, and in every size of piece', (_, bytes, body, isReusable) => {
  const expected = { status: 200, body, isWhole: true, isReusable, type: 'text/plain' };
  for (let size = 1; size < bytes.length; size += 1) {
    const pieces = bytes.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    expect(shown(readPieces(pieces))).toEqual(expected);
  }
});

test.each(WHOLE.filter(([, , , isReusable]) => isReusable))(
  'an answer %s is not whole one byte earlier',
  (_, bytes) => {
    const reading = readWire(bytes.slice(0, -1));
    expect([reading.isWhole, reading.isReusable, reading.endsHere]).toEqual([false, false, false]);
  },
);

test('every byte arrives, in one chunk and in chunks of one byte', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const text = Buffer.from(bytes).toString('latin1');
  expect(readWire(chunked([bytes])).body).toBe(text);
  expect(readWire(chunked(Array.from(bytes, (byte) => Uint8Array.of(byte)))).body).toBe(text);
});

test('an answer without a length ends with its connection, and not before', () => {
  for (const version of ['1.0', '1.1']) {
    const { body, isWhole, isReusable, endsHere } = readPieces([`HTTP/${version} 200 OK\r\n\r\n`, 'hel', 'lo\r\n\r\n']);
    expect({ body, isWhole, isReusable, endsHere }).toEqual({
      ...{ body: 'hello\r\n\r\n', endsHere: true },
      ...{ isWhole: false, isReusable: false },
    });
  }
});

test('a head of which only a part has come is no answer, also where the connection ends', () => {
  for (const bytes of [
    '',
    'HTTP/1.1 200 OK',
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 200 OK\r\n\r',
    'HTTP/1.1 100 Go\r\n\r\n',
  ]) {
    const { status, isWhole, endsHere } = readWire(bytes);
    expect([bytes, status, isWhole, endsHere]).toEqual([bytes, undefined, false, false]);
  }
});

test('answers to HEAD, and those of 204 and 304, have no body, whatever their headers say', () => {
  const cases = [
    ['HEAD', '200 OK'],
    ['HEAD', '404 No'],
    ['GET', '204 No Content'],
    ['POST', '304 Not Modified'],
  ];
  for (const [method, status] of cases) {
    for (const framing of ['content-length: 5', 'transfer-encoding: chunked', 'x: y']) {
      const head = `HTTP/1.1 ${status}\r\n${framing}\r\n\r\n`;
      const { body, isWhole, isReusable } = readWire(head, method);
      expect([method, head, body, isWhole, isReusable]).toEqual([method, head, '', true, true]);
      const longer = readWire(`${head}hello`, method);
      expect([longer.body, longer.isReusable]).toEqual(['', false]);
    }
  }
});

test('a refusal has a body like any other answer', () => {
  const { status, body, isReusable } = readWire(answer('too much', [], '429 Too Many Requests'));
  expect([status, body, isReusable]).toEqual([429, 'too much', true]);
});

test('the words behind a status may be any, or none', () => {
  for (const words of ['', ' ', ' OK', ' Schöne Grüße', ' 404 Not Found', ' a  b ']) {
    expect([words, readWire(`HTTP/1.1 207${words}\r\ncontent-length: 0\r\n\r\n`).status]).toEqual([words, 207]);
  }
});

test('a header is found whatever the case of its name, without the blanks around its value', () => {
  const head = readWire(
    'HTTP/1.1 200 OK\r\nX-Up: A b\r\nx-tight:c\r\nx-wide: \t d \t\r\nx-none:\r\nx-dots:e:f\r\ncontent-length:0\r\n\r\n',
  ).head;
  const names = ['x-up', 'x-tight', 'x-wide', 'x-none', 'x-dots', 'content-length', 'x', 'up', 'd', 'x-missing'];
  expect(names.map((name) => head?.get(name) ?? null)).toEqual([
    'A b',
    'c',
    'd',
    '',
    'e:f',
    '0',
    null,
    null,
    null,
    null,
  ]);
});

test('several headers of one name are one, in their order, and no other header is taken for one of them', () => {
  const head = readWire('HTTP/1.1 200 OK\r\na: 1\r\nb: a: 9\r\naa: 8\r\nA:2\r\na: \r\ncontent-length: 0\r\n\r\n').head;
  expect(head?.get('a')).toBe('1, 2, ');
});

test('each byte of a header’s value is a character', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0, 10, 13].includes(byte));
  const value = `<${Buffer.from(bytes).toString('latin1')}>`;
  expect(readWire(`HTTP/1.1 200 OK\r\nx: ${value}\r\ncontent-length: 0\r\n\r\n`).head?.get('x')).toBe(value);
});

test('only blanks and tabs are no part of a header’s value', () => {
  // In UTF-8, à and … end with bytes that alone would be white space.
  for (const value of ['caf\u00c3\u00a0', '\u00a0', '\u0085', '\u000b', '\u000cx']) {
    expect(readWire(`HTTP/1.1 200 OK\r\nx: ${value} \r\ncontent-length: 0\r\n\r\n`).head?.get('x')).toBe(value);
  }
});

test('a head may be long, and have many lines', () => {
  const one = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(60_000)}\r\ncontent-length: 2\r\n\r\nok`;
  const many = `HTTP/1.1 200 OK\r\n${'x:y\r\n'.repeat(12_000)}content-length: 2\r\n\r\nok`;
  for (const bytes of [one, many]) expect(readWire(bytes)).toMatchObject({ status: 200, body: 'ok', isReusable: true });
});

test('a body that comes in little pieces is not kept with all that it came in', () => {
  const reader = new WireReader('GET');
  reader.push(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'));
  const piece = `1;${'x'.repeat(4_000)}\r\na\r\n`;
  const body = reader.push(Buffer.from(piece.repeat(130)));
  expect(body.toString()).toBe('a'.repeat(130));
  expect(body.buffer.byteLength).toBeLessThan(piece.length * 10);
});

test('the size of a chunk is read alike in every way to write it', () => {
  const chunkOf = (size: string) =>
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${size}\r\n0123456789\r\n0\r\n\r\n`;
  for (const size of ['a', 'A', '0a', '0000000a', 'A;x=y', 'a \t']) {
    for (const pieces of [[chunkOf(size)], [...chunkOf(size)]]) {
      expect(readPieces(pieces)).toMatchObject({ body: '0123456789', isWhole: true });
    }
  }
  for (const size of ['000000000a', 'g', '0xa', '', '-a', 'a\n']) {
    expect(() => readWire(chunkOf(size))).toThrow(MalformedError);
  }
});
