/**
 * Bodies in transit: delivered in order, ended once, no faster than the reader takes them, and stopped when cancelled.
 */
import { expect, test } from 'bun:test';
import { setImmediate } from 'node:timers/promises';
import { bodyOf, type KeptBytes, kept, LARGE_BYTES, streamBody } from '../../router/net/body';
import { WireBody } from '../../router/net/http1/body';
import { inTurns, mapBody, type Step } from '../../router/net/mapped-body';
import { until } from '../support/router';
import { bytes, Source } from '../support/scripted-body';
import { Reader } from '../support/wire-client';

const FAULT = new Error('a fault');

/** A step that reports everything twice, and at the end its number of bytes. */
function doubling(more: Partial<Step> = {}): Step {
  let count = 0;
  return {
    chunk(piece) {
      count += piece.length;
      return Buffer.concat([piece, piece]);
    },
    end: () => bytes(`=${count}`),
    ...more,
  };
}

test('a mapped body is the output of its step for each piece and at the end', () => {
  const source = new Source();
  const reader = new Reader(mapBody(source, doubling()));
  source.say('ab');
  expect([reader.text, reader.endings]).toEqual(['abab', []]);
  source.say('c');
  source.end();
  expect([reader.text, reader.pieces.length, reader.endings]).toEqual(['ababcc=3', 3, ['end']]);
});

test('a piece for which a step returns nothing is not delivered', () => {
  const source = new Source();
  const nothing = () => new Uint8Array();
  const reader = new Reader(
    mapBody(source, { chunk: (piece) => (piece[0] === 120 ? nothing() : piece), end: nothing }),
  );
  for (const text of ['x', 'a', 'x', '']) source.say(text);
  source.end();
  expect([reader.text, reader.pieces.length, reader.endings]).toEqual(['a', 1, ['end']]);
});

test('a fault of a step is how its body breaks off, and its source is read no further', () => {
  const source = new Source();
  const chunk = (piece: Uint8Array) => {
    if (piece[0] === 120) throw FAULT;
    return piece;
  };
  const reader = new Reader(mapBody(source, doubling({ chunk })));
  for (const text of ['a', 'x', 'b']) source.say(text);
  source.end();
  expect([reader.text, reader.endings, reader.cause]).toEqual(['a', ['lost'], FAULT]);
  expect(source.asked).toEqual(['read', 'cancel']);
});

test('a fault of a step in the end is no end', () => {
  const source = new Source();
  const end = () => {
    throw FAULT;
  };
  const reader = new Reader(mapBody(source, doubling({ end })));
  source.say('a');
  source.end();
  expect([reader.text, reader.endings, reader.cause]).toEqual(['aa', ['lost'], FAULT]);
});

test('a body that breaks off breaks off mapped too, and its step has nothing left to say', () => {
  const source = new Source();
  const reader = new Reader(mapBody(source, doubling()));
  source.say('a');
  source.lose(FAULT);
  expect([reader.text, reader.endings, reader.cause]).toEqual(['aa', ['lost'], FAULT]);
});

test('a mapped body is paused, resumed and cancelled at its source', () => {
  const source = new Source();
  const body = mapBody(source, doubling());
  const reader = new Reader(body);
  body.pause();
  body.resume();
  body.cancel();
  source.say('a');
  source.end();
  expect([source.asked, reader.text, reader.endings]).toEqual([['read', 'pause', 'resume', 'cancel'], '', []]);
});

test.each([1, 2])('a mapped body that is cancelled in the middle of its piece %i delivers nothing more', (which) => {
  const source = new Source();
  const body = mapBody(source, doubling());
  const reader = new Reader(body, ({ pieces }) => pieces.length === which && body.cancel());
  source.say('a');
  // The second piece is the last output of the step.
  source.end();
  expect([reader.pieces.length, reader.endings]).toEqual([which, []]);
});

test('a body that has arrived already is delivered at once, unless it is empty or unwanted', () => {
  const whole = new Reader(bodyOf(bytes('all')));
  expect([whole.text, whole.endings]).toEqual(['all', ['end']]);
  const empty = new Reader(bodyOf(new Uint8Array()));
  expect([empty.pieces, empty.endings]).toEqual([[], ['end']]);
  const body = bodyOf(bytes('all'));
  const reader = new Reader(body, () => body.cancel());
  expect([reader.text, reader.endings]).toEqual(['all', []]);
});

/** A stream of numbers that ends after `last`, and what was requested from it. */
function numbers(last: number) {
  const seen = { pulled: 0, cancelled: 0 };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(to) {
        seen.pulled += 1;
        if (seen.pulled > last) to.close();
        else to.enqueue(bytes(String(seen.pulled)));
      },
      cancel() {
        seen.cancelled += 1;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

/** Long enough for everything that happens by itself. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}

test('a stream becomes a body with the same pieces and end, and no stream an empty body', async () => {
  const reader = new Reader(streamBody(numbers(3).stream));
  expect([await reader.ended(), reader.text, reader.pieces.length]).toEqual(['end', '123', 3]);
  const none = new Reader(streamBody(null));
  expect([await none.ended(), none.text]).toEqual(['end', '']);
});

test('a stream that errs is a body that breaks off', async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const reader = new Reader(streamBody(readable));
  const writer = writable.getWriter();
  await writer.write(bytes('a'));
  await writer.abort(FAULT);
  expect([await reader.ended(), reader.cause, reader.text]).toEqual(['lost', FAULT, 'a']);
});

test('a stream is read no further than its reader goes, and goes on where it stopped', async () => {
  const { stream, seen } = numbers(5);
  const body = streamBody(stream);
  const reader = new Reader(body, () => body.pause());
  for (let count = 1; count <= 5; count += 1) {
    await settled();
    expect([seen.pulled, reader.pieces.length]).toEqual([count, count]);
    // A second request does not read the body twice.
    body.resume();
    body.resume();
  }
  expect([await reader.ended(), reader.text]).toEqual(['end', '12345']);
});

test('a reader that pauses in the middle of a piece loses no byte and gets none twice', async () => {
  const body = streamBody(numbers(9).stream);
  const reader = new Reader(body, () => {
    body.pause();
    body.resume();
  });
  expect([await reader.ended(), reader.text]).toEqual(['end', '123456789']);
});

test('a stream without a reader is cancelled, and delivers nothing more', async () => {
  for (const at of [0, 1, 2]) {
    const { stream, seen } = numbers(5);
    const body = streamBody(stream);
    const reader = new Reader(body, ({ pieces }) => pieces.length === at && body.cancel());
    if (at === 0) body.cancel();
    await until(() => seen.cancelled, 'it is cancelled');
    await settled();
    expect([reader.pieces.length, reader.endings, seen.cancelled]).toEqual([at, [], 1]);
  }
});

test('a reader that throws at a piece of a stream ends only that stream, which is cancelled', async () => {
  const { stream, seen } = numbers(5);
  const reader = new Reader(streamBody(stream), () => {
    throw FAULT;
  });
  expect([await reader.ended(), reader.cause, reader.text]).toEqual(['lost', FAULT, '1']);
  await until(() => seen.cancelled, 'it is cancelled');
});

test('a long chunk is passed on in pieces, and others have their turn between them', async () => {
  const source = new Source();
  const body = inTurns(source);
  const reader = new Reader(body);
  source.push(Buffer.alloc(200_000, 'x'));
  source.say('end');
  source.end();
  expect([reader.pieces.length, reader.endings]).toEqual([1, []]);
  let turns = 0;
  for (; reader.endings.length === 0; turns += 1) await setImmediate();
  expect(turns).toBeGreaterThan(2);
  const lengths = reader.pieces.map(({ length }) => length);
  expect([lengths.length, lengths.at(-1)]).toEqual([7, 3]);
  // Of a long chunk no piece is short: the next turn says that the last one was taken.
  expect(lengths.slice(0, -1).filter((length) => length < LARGE_BYTES || length > 2 * LARGE_BYTES)).toEqual([]);
  expect([reader.endings, source.asked]).toEqual([['end'], ['read', ...Array(6).fill('pause')]]);
});

test('what is left of a long chunk waits for a reader that is paused, and goes with one that cancels', async () => {
  const source = new Source();
  const body = inTurns(source);
  const reader = new Reader(body);
  source.push(Buffer.alloc(300_000, 'x'));
  body.pause();
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
  expect(reader.pieces.length).toBe(1);
  body.resume();
  while (reader.pieces.length < 3) await setImmediate();
  body.cancel();
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
  expect([reader.pieces.length, reader.endings, source.asked.at(-1)]).toEqual([3, [], 'cancel']);
});

test('a body that breaks off behind a long chunk gives all of it first', async () => {
  const source = new Source();
  const reader = new Reader(inTurns(source));
  source.push(Buffer.alloc(200_000, 'x'));
  source.lose(FAULT);
  await until(() => reader.endings.length > 0, 'it has ended');
  expect([reader.text.length, reader.endings, reader.cause]).toEqual([200_000, ['lost'], FAULT]);
});

test('who keeps a long chunk has a copy of it, and the compiler refuses one who does not', async () => {
  const nothing = () => undefined;
  const source = new WireBody({ pause: nothing, resume: nothing, cancel: nothing });
  const copies: KeptBytes[] = [];
  const views: Uint8Array[] = [];
  const ended = Promise.withResolvers<void>();
  inTurns(source).read({
    chunk(piece) {
      // @ts-expect-error Its memory is given back.
      const view: KeptBytes = piece;
      views.push(view);
      copies.push(kept(piece));
    },
    end: ended.resolve,
    lost: ended.reject,
  });
  source.push(Buffer.alloc(2 * LARGE_BYTES + 2, 'x'));
  source.finish();
  await ended.promise;
  const half = LARGE_BYTES + 1;
  expect(views.map(({ length }) => length)).toEqual([0, 0]);
  expect(copies.map((copy) => Buffer.from(copy).toString())).toEqual(['x'.repeat(half), 'x'.repeat(half)]);
});

test.each([1, 2])(
  'piece %i of a long chunk is kept for a reader that is paused at it, whatever comes meanwhile',
  async (at) => {
    const nothing = () => undefined;
    const source = new WireBody({ pause: nothing, resume: nothing, cancel: nothing });
    const body = inTurns(source);
    const views: Uint8Array[] = [];
    const endings: string[] = [];
    body.read({
      chunk(piece) {
        views.push(piece);
        if (views.length === at) body.pause();
      },
      end: () => void endings.push('end'),
      lost: () => void endings.push('lost'),
    });
    source.push(Buffer.alloc(2 * LARGE_BYTES + 2, 'x'));
    await settled();
    source.push(Buffer.from('short'));
    await settled();
    source.finish();
    await settled();
    const last = views.at(-1);
    expect([views.length, last?.length, endings]).toEqual([at, LARGE_BYTES + 1, []]);
    body.resume();
    await until(() => endings.length > 0, 'it has ended');
    expect([views.length, endings]).toEqual([3, ['end']]);
  },
);
