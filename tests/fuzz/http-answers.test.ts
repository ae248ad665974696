/** Answers of HTTP/1.1 from hostile servers: each is read or refused, and the next request is served normally. */
import { afterAll, beforeAll, expect } from 'bun:test';
import fc from 'fast-check';
import { UnreachableError } from '../../router/net/outgoing';
import { ask, textOf } from '../support/wire-client';
import { answer, chunked, type WireServer, wireServer } from '../support/wire-server';
import { anyText, fuzz } from './fuzz';

let server: WireServer;
let next: { bytes: Buffer; cuts: readonly number[]; ends: 'end' | 'cut' | 'stay' };
beforeAll(() => {
  server = wireServer(async ({ peer, path }) => {
    if (path === '/good') return peer.send(answer('good'));
    const { bytes, cuts, ends } = next;
    const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
    for (const [index, place] of places.slice(1).entries()) {
      peer.send(bytes.subarray(places[index] ?? 0, place));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (ends === 'end') peer.end();
    if (ends === 'cut') peer.cut();
  });
});
afterAll(() => server[Symbol.dispose]());

const right = fc.oneof(
  anyText.map((body) => Buffer.from(answer(Buffer.from(body).toString('latin1')), 'latin1')),
  fc
    .array(fc.string({ maxLength: 30 }), { maxLength: 5 })
    .map((pieces) => chunked(pieces.filter((piece) => piece !== ''))),
  fc
    .constantFrom(
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.0 200 OK\r\n\r\nuntil the end',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n',
    )
    .map((text) => Buffer.from(text, 'latin1')),
);

/** A valid answer with some of its bytes changed, removed or added. */
const hostile = right.chain((bytes) =>
  fc
    .array(
      fc.tuple(
        fc.nat(Math.max(0, bytes.length)),
        fc.constantFrom('set', 'insert', 'remove', 'repeat'),
        fc.uint8Array({ minLength: 1, maxLength: 6 }),
      ),
      { maxLength: 4 },
    )
    .map((changes) =>
      changes.reduce((all, [at, how, other]) => {
        const [before, after] = [all.subarray(0, at), all.subarray(at)];
        if (how === 'remove') return Buffer.concat([before, after.subarray(other.length)]);
        if (how === 'repeat') return Buffer.concat([before, after.subarray(0, 20), after]);
        return Buffer.concat([before, other, how === 'set' ? after.subarray(other.length) : after]);
      }, bytes),
    ),
);

fuzz(
  'law 10: whatever a server answers is an answer or an error within its clock, and the next request gets its own answer',
  {
    inputs: fc.record({
      bytes: fc.oneof(
        hostile,
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      ),
      cuts: fc.array(fc.nat(300), { maxLength: 6 }),
      ends: fc.constantFrom('end' as const, 'cut' as const, 'stay' as const),
    }),
    async rule(input) {
      next = input;
      const clock = AbortSignal.timeout(input.ends === 'stay' ? 50 : 10_000);
      const outcome = await textOf(ask(server, { path: '/fuzzed', signal: clock })).catch((error: unknown) => error);
      expect(typeof outcome === 'string' || outcome instanceof Error).toBe(true);
      // The router notices a moment later that the server closed a connection after its answer, and may lose one
      // request. What it says has not arrived, the server has not seen.
      const before = server.requests.length;
      const first = await textOf(ask(server, { path: '/good' })).catch((error: unknown) => error);
      if (input.ends === 'stay' || typeof first === 'string') return expect(first).toBe('good');
      expect(first).toBeInstanceOf(UnreachableError);
      if (!(first as UnreachableError).mayHaveArrived) expect(server.requests).toHaveLength(before);
      expect(await textOf(ask(server, { path: '/good' }))).toBe('good');
    },
  },
);
