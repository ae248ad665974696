/** `Abort` does what an `AbortController` and its signal do. */
import { expect, test } from 'bun:test';
import { Abort, type Abortable, signalOf } from '../../router/lib/abort';

/** The platform's, and ours in its place. */
function both(): readonly { readonly signal: Abortable; abort(reason?: unknown): void }[] {
  const ours = new Abort();
  return [new AbortController(), { signal: ours, abort: (reason?: unknown) => ours.abort(reason) }];
}

test('it is aborted once, and keeps the first reason', () => {
  for (const one of both()) {
    const first = new Error('first');
    expect(one.signal.aborted).toBe(false);
    expect(() => one.signal.throwIfAborted()).not.toThrow();
    one.abort(first);
    one.abort(new Error('second'));
    expect(one.signal.aborted).toBe(true);
    expect(one.signal.reason).toBe(first);
    expect(() => one.signal.throwIfAborted()).toThrow('first');
  }
});

test('without a reason the reason is an AbortError', () => {
  for (const one of both()) {
    one.abort();
    expect(one.signal.reason).toBeInstanceOf(DOMException);
    expect(one.signal.reason).toHaveProperty('name', 'AbortError');
  }
});

test('it calls its listeners once, in order, when it is aborted already; not one that was removed or comes later', () => {
  for (const one of both()) {
    const called: string[] = [];
    const removed = () => called.push('removed');
    one.signal.addEventListener('abort', () => called.push(`first, aborted: ${one.signal.aborted}`));
    one.signal.addEventListener('abort', removed);
    one.signal.addEventListener('abort', () => called.push('second'), { once: true });
    one.signal.removeEventListener('abort', removed);
    one.abort();
    one.abort();
    one.signal.addEventListener('abort', () => called.push('late'));
    expect(called).toEqual(['first, aborted: true', 'second']);
  }
});

test('a listener that throws keeps no other one from being called', () => {
  const abort = new Abort();
  let called = 0;
  abort.addEventListener('abort', () => {
    throw new Error('of a listener');
  });
  abort.addEventListener('abort', () => {
    called += 1;
  });
  abort.abort();
  expect(called).toBe(1);
});

test('its signal for the platform aborts with it, whether it was made before or after', () => {
  const reason = new Error('the reason');
  const abort = new Abort();
  const before = signalOf(abort);
  abort.abort(reason);
  const late = new Abort();
  late.abort(reason);
  for (const signal of [before, signalOf(late)]) {
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBe(reason);
  }
  const platform = new AbortController().signal;
  expect(signalOf(platform)).toBe(platform);
});
