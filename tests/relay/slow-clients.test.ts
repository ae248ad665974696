/** A client that reads nothing for ten minutes counts as gone; one that reads, however slowly, does not. */
import { expect, test } from 'bun:test';
import { Relay } from '../../router/relay/relay';
import { bytes, Source } from '../support/scripted-body';

/** Longer than a client may read nothing. */
const SECONDS = 1_500;
const EVENT = bytes('data: {"a":1}\n\n');

/** A body of which more comes whenever it is not paused. */
class Fast extends Source {
  override read(sink: Parameters<Source['read']>[0]): void {
    super.read(sink);
    this.#pour();
  }
  override resume(): void {
    super.resume();
    this.#pour();
  }
  #pour(): void {
    while (this.asked.at(-1) !== 'pause') this.push(EVENT);
  }
}

/** The stream asks for more by then. */
const nextTurn = () => new Promise(setImmediate);

type Reader = ReadableStreamDefaultReader<Uint8Array>;

function begun(source: Source) {
  let hasEnded = false;
  const relay = new Relay({
    ...{ events: true, expectDone: true, onClientGone: 'cancel', abort: new AbortController() },
    onEnd: () => {
      hasEnded = true;
    },
  });
  const reader: Reader = relay.stream().getReader();
  relay.attach(source);
  const fromMs = performance.timeOrigin + performance.now();
  return {
    reader,
    /** Lets seconds pass, in each of which the client does what it does. @returns how many until it counted as gone, if it did. */
    async goneAfter(doing: () => unknown = () => undefined): Promise<number | undefined> {
      for (let second = 1; second <= SECONDS; second += 1) {
        await doing();
        await nextTurn();
        relay.beat(fromMs + second * 1_000);
        if (hasEnded) return second;
      }
      relay.stop();
      return undefined;
    },
  };
}

test('a client that reads a little each second of an answer that comes faster does not count as gone', async () => {
  const { reader, goneAfter } = begun(new Fast());
  expect(await goneAfter(() => reader.read())).toBeUndefined();
});

test('a client that waits for a silent agent does not count as gone', async () => {
  const { reader, goneAfter } = begun(new Source());
  let comments = 0;
  void (async () => {
    while (!(await reader.read()).done) comments += 1;
  })();
  expect(await goneAfter()).toBeUndefined();
  expect(comments).toBeGreaterThan(SECONDS / 10);
});

test.each<[when: string, source: Source, read: (reader: Reader, source: Source) => unknown]>([
  ['from the beginning', new Fast(), () => undefined],
  ['after the first event of many', new Fast(), (reader) => reader.read()],
  [
    'after the only event',
    new Source(),
    async (reader, source) => {
      const reading = reader.read();
      await nextTurn();
      source.push(EVENT);
      await reading;
    },
  ],
])('a client that reads nothing %s counts as gone after ten minutes', async (_, source, read) => {
  const { reader, goneAfter } = begun(source);
  await read(reader, source);
  const seconds = (await goneAfter()) ?? 0;
  expect([seconds > 599, seconds < 610, source.asked.at(-1)]).toEqual([true, true, 'cancel']);
});
