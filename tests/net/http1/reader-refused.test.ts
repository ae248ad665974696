/**
 * Invalid or ambiguous answers of HTTP/1.1 are refused: https://www.rfc-editor.org/rfc/rfc9112, sections 6, 7 and 11.
 */
import { expect, test } from 'bun:test';
import { MalformedError } from '../../../router/net/http1/head';
import { readPieces, readWire } from '../../support/wire-reading';

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

/** Refused in one piece and byte by byte. */
function expectRefused(bytes: string): void {
  for (const pieces of [[bytes], bytes.split('')]) {
    let said: unknown;
    try {
      said = readPieces(pieces);
    } catch (error) {
      said = error;
    }
    expect([bytes.slice(0, 300), said]).toEqual([bytes.slice(0, 300), expect.any(MalformedError)]);
  }
}

test('a status line that is not one of HTTP/1.0 or 1.1 is refused', () => {
  const lines = [
    ...['HTTP/2 200 OK', 'HTTP/1.2 200 OK', 'HTTP/0.9 200 OK', 'HTTP/11 200 OK', 'http/1.1 200 OK', 'ICY 200 OK'],
    ...['HTTP/1.1 20 OK', 'HTTP/1.1 2000 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 2x0 OK', 'HTTP/1.1 -20 OK', 'HTTP/1.1'],
    ...['HTTP/1.1  200 OK', 'HTTP/1.1\t200 OK', ' HTTP/1.1 200 OK', '\r\nHTTP/1.1 200 OK', '\0HTTP/1.1 200 OK'],
    ...['HTTP/1.1 200OK', 'HTTP/1.1 200 O\nK', 'HTTP/1.1 200 O\rK', 'GET / HTTP/1.1', '{"error":"x"}', ''],
  ];
  for (const line of lines) expectRefused(`${line}\r\ncontent-length: 0\r\n\r\n`);
});

test('a header line that two readers may read differently is refused', () => {
  const lines = [
    ...['content-length : 2', 'content-length\t: 2', ' content-length: 2', '\tx: y', ': y', 'x', 'x y', 'a b: c'],
    ...['x: a\r\n b', 'x: a\r\n\tb', 'x: a\r\n ', 'x: a\nb: c', 'x: a\n b: c', 'x: a\rb: c', 'x: a\n', 'x: a\r'],
    ...['x: a\0', 'x: \0', 'x\0: a', '\0: a', 'x: a\0\r\ny: b'],
  ];
  for (const line of lines) {
    for (const head of [`${line}\r\ncontent-length: 2`, `content-length: 2\r\n${line}`]) {
      expectRefused(`${OK}${head}\r\n\r\nok`);
    }
  }
});

test('a line end without its CR does not end a head', () => {
  const { status, endsHere } = readWire('HTTP/1.1 200 OK\ncontent-length: 2\n\nok');
  expect([status, endsHere]).toEqual([undefined, false]);
});

test('a length that is not one plain number is refused', () => {
  const lengths = [
    ...['+2', '-2', '-0', '2.0', '2e0', '0x2', '2 2', '2,', ',2', '2, 2', '2;2', 'two', '', ' ', 'NaN', 'Infinity'],
    ...['1000000000000000', '9007199254740993', '99999999999999999999', '0000000000000002'],
    ...['\u00a02', '2\u00a0', '\u000b2', '2\u000c', '\u00852'],
  ];
  for (const length of lengths) expectRefused(`${OK}content-length: ${length}\r\n\r\nok`);
});

test('two lengths are refused, also where they are the same', () => {
  for (const [one, other] of [
    ['2', '3'],
    ['2', '2'],
    ['2', ''],
    ['', '2'],
  ]) {
    expectRefused(`${OK}content-length: ${one}\r\nx: y\r\nContent-Length: ${other}\r\n\r\nok`);
  }
});

test('a transfer coding other than chunked is refused, and so is more than one', () => {
  const codings = [
    ...['gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', 'chunked, identity', '', ','],
    ...['xchunked', 'chunkedx', 'chunked;q=1', '"chunked"', 'chunked,', 'chun\tked', '\u000bchunked', 'chunked\u00a0'],
  ];
  for (const coding of codings) expectRefused(`${OK}transfer-encoding: ${coding}\r\n\r\n0\r\n\r\n`);
  expectRefused(`${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`);
  expect(readWire(`${OK}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`)).toMatchObject({ isWhole: true, body: '' });
});

test('where an answer has both chunks and a length the chunks count, and its connection is of no more use', () => {
  for (const length of ['2', '5', '5000']) {
    const lines = [`content-length: ${length}`, 'transfer-encoding: chunked'];
    for (const head of [lines, lines.toReversed()]) {
      const reading = readWire(`${OK}${head.join('\r\n')}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`);
      expect(reading).toMatchObject({ body: 'hello', isWhole: true, isReusable: false });
    }
  }
});

test('an upgrade that nobody has asked for is refused', () => {
  expectRefused('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
  expectRefused(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n${OK}content-length: 0\r\n\r\n`);
});

test('interim answers come before an answer a few times, and not without an end', () => {
  const interims = (count: number) => 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(count);
  const [reading] = [readWire(`${interims(32)}${OK}content-length: 2\r\n\r\nok`)];
  expect(reading).toMatchObject({ status: 200, body: 'ok', isWhole: true });
  for (const status of ['100 Continue', '102 Processing', '103 Early Hints']) {
    expectRefused(`HTTP/1.1 ${status}\r\n\r\n`.repeat(33));
  }
});

test('an interim answer is held to the same rules', () => {
  expectRefused(`HTTP/1.1 103 Early Hints\r\nx : y\r\n\r\n${OK}content-length: 0\r\n\r\n`);
});

test('a head that is too long is refused as soon as it is, whether its end has come or not', () => {
  const line = `x: ${'y'.repeat(1_000)}\r\n`;
  const tooLong = OK + line.repeat(66);
  expect(() => readWire(tooLong)).toThrow(MalformedError);
  expect(() => readWire(`${tooLong}content-length: 0\r\n\r\n`)).toThrow(MalformedError);
  const pieces = [OK, ...Array.from({ length: 66 }, () => line)];
  expect(() => readPieces(pieces)).toThrow(MalformedError);
  expect(() => readPieces([...pieces.slice(0, 60), 'content-length: 0\r\n\r\n'])).not.toThrow();
});

test('a chunk size that is not one plain hexadecimal number is refused', () => {
  const sizes = [
    ...['', ' ', 'g', 'xyz', '+5', '-5', '-0', '0x5', ' 5', '\t5', '5 5', '5,', '5.', '5h', '#5', '5\0', '\u00a05'],
    ...['fffffffff', '100000000', '00000000a', '7fffffffffffffff', 'ffffffffffffffff', '5;a\rb'],
  ];
  for (const size of sizes) expectRefused(`${CHUNKED}${size}\r\nhello\r\n0\r\n\r\n`);
});

test('a chunk may say that it is very large, and is read as it comes', () => {
  for (const size of ['7fffffff', '80000000', 'FFFFFFFF']) {
    const { body, isWhole, endsHere } = readPieces([`${CHUNKED}${size}\r\nhel`, 'lo\r\n0\r\n\r\n']);
    expect([size, body, isWhole, endsHere]).toEqual([size, 'hello\r\n0\r\n\r\n', false, false]);
  }
});

test('a chunk that is longer or shorter than it says is refused', () => {
  for (const chunk of ['4\r\nhello\r\n', '6\r\nhello\r\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', '5\r\nhello \r\n']) {
    expectRefused(`${CHUNKED}${chunk}`);
  }
});

test('a line between chunks that ends without its CR is refused', () => {
  const bodies = [
    ...['5\nhello\r\n0\r\n\r\n', '5;x\nhello\r\n0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '5\r\nhello\r\n0\n\r\n'],
    ...['0\r\n\n', '0\r\nx: y\n\r\n', '0\r\nx: y\r\n\n'],
  ];
  for (const body of bodies) expectRefused(CHUNKED + body);
});

test('lines between and behind chunks are limited, each and together', () => {
  const long = 'x'.repeat(5_000);
  for (const body of [`5;${long}\r\n`, `5${' '.repeat(5_000)}`, `0\r\nx: ${long}\r\n`, `5\r\nhello${long}`]) {
    expectRefused(CHUNKED + body);
  }
  const trailers = Array.from({ length: 66 }, () => `x: ${'y'.repeat(1_000)}\r\n`);
  expect(() => readPieces([CHUNKED, '0\r\n', ...trailers])).toThrow(MalformedError);
  expect(readPieces([CHUNKED, '0\r\n', ...trailers.slice(0, 60), '\r\n']).isReusable).toBe(true);
});

test('a body that is cut off is incomplete, however its length is declared', () => {
  for (const bytes of [
    `${OK}content-length: 5\r\n\r\nhell`,
    `${CHUNKED}5\r\nhell`,
    `${CHUNKED}5\r\nhello`,
    `${CHUNKED}5\r\nhello\r\n`,
    `${CHUNKED}5\r\nhello\r\n0\r\n`,
    `${CHUNKED}5\r\nhello\r\n0\r\nx: y\r\n`,
  ]) {
    const { isWhole, endsHere } = readWire(bytes);
    expect([bytes, isWhole, endsHere]).toEqual([bytes, false, false]);
  }
});
