/**
 * Preloaded before the router in a process of its own (`bun --preload`). After SIGUSR2, every callback that the router
 * passes to the platform throws once per place in the sources, after it has done its work; and every method of the
 * classes below throws once instead of doing its work. Each error is reported on standard error as `THREW <place>`.
 */
import { AnswerTail } from '../../router/broker/answer-usage';
import { UsageFilter } from '../../router/broker/usage-filter';
import { Answer } from '../../router/chat/generations/recorder';
import { AnswerCalls } from '../../router/chat/generations/tool-calls';
import { ResponseAnswer } from '../../router/openai/responses/answer';
import { EventTail } from '../../router/relay/sse-tail';
import { Silence } from '../../router/relay/timeouts';

type Anything = (this: unknown, ...args: never[]) => unknown;

const thrown = new Set<string>();
let isArmed = false;
process.on('SIGUSR2', () => {
  isArmed = true;
  process.stderr.write('ARMED\n');
});

function throwOnce(place: string): void {
  if (!isArmed || thrown.has(place)) return;
  thrown.add(place);
  process.stderr.write(`THREW ${place}\n`);
  throw new Error(`thrown by the test at ${place}`);
}

/** Finds the line of the router's sources that passes the callback. */
function caller(): string | undefined {
  const line = new Error('').stack?.split('\n').find((one) => /\/router\/[\w./-]+\.tsx?:/.test(one));
  return line && /\/(router\/[\w./-]+\.tsx?:\d+)/.exec(line)?.[1];
}

function wrapped<Callback>(kind: string, callback: Callback): Callback {
  const place = typeof callback === 'function' ? caller() : undefined;
  if (place === undefined) return callback;
  const work = callback as unknown as Anything;
  return function wrapper(this: unknown, ...args: never[]) {
    const result = work.apply(this, args);
    throwOnce(`${kind} ${place}`);
    return result;
  } as unknown as Callback;
}

const timers = globalThis as unknown as Record<string, (callback: unknown, ...rest: unknown[]) => unknown>;
for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) {
  const own = timers[name];
  if (own) timers[name] = (callback, ...rest) => own(wrapped(name, callback), ...rest);
}
const { addEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (type: string, listener: never, options?: never) {
  return addEventListener.call(this, type, wrapped('listener', listener), options);
};
const Stream = globalThis.ReadableStream;
globalThis.ReadableStream = class<T> extends Stream<T> {
  constructor(source: UnderlyingDefaultSource<T> = {}, strategy?: QueuingStrategy<T>) {
    // The source may be an instance of a class, whose methods are not its own properties.
    const [start, pull, cancel] = [source.start?.bind(source), source.pull?.bind(source), source.cancel?.bind(source)];
    super(
      {
        ...source,
        ...(start && { start }),
        ...(pull && { pull: wrapped('pull', pull) }),
        ...(cancel && { cancel: wrapped('cancel', cancel) }),
      },
      strategy,
    );
  }
} as typeof Stream;

for (const of of [Answer, AnswerCalls, AnswerTail, EventTail, ResponseAnswer, Silence, UsageFilter]) {
  const methods = of.prototype as unknown as Record<string, Anything>;
  for (const name of Object.getOwnPropertyNames(methods)) {
    const { value, writable } = Object.getOwnPropertyDescriptor(methods, name) ?? {};
    if (name === 'constructor' || typeof value !== 'function' || !writable) continue;
    methods[name] = function (this: unknown, ...args: never[]) {
      throwOnce(`${of.name}.${name}`);
      return value.apply(this, args);
    };
  }
}
