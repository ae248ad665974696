/** The order of the events of one request, which has one owner: whatever comes first and whatever throws, it ends once. */
import { expect, test } from 'bun:test';
import type { Abortable } from '../../router/lib/abort';
import { AppError } from '../../router/lib/errors';
import { Lifecycle } from '../../router/relay/lifecycle';
import type { Ending, Relay } from '../../router/relay/relay';
import type { Silence } from '../../router/relay/timeouts';
import { Source } from '../support/scripted-body';

const LIMITS = { firstByteMs: 1_000, betweenChunksMs: 1_000, totalMs: 1_000 };
/** More turns of the microtask queue than any ending takes. */
const TURNS_MAX = 50;

/** A request that notes what becomes of it. Each hook in `throwing` throws after it was noted. */
class Watched extends Lifecycle {
  readonly notes: string[] = [];
  readonly source = new Source();
  override readonly silence: Silence;
  #relay: Relay | undefined;
  #hasThrown = false;
  #isBroken = false;

  constructor(
    onClientGone: 'cancel' | 'detach' = 'cancel',
    readonly throwing: readonly string[] = [],
  ) {
    super(onClientGone, { user: 'alice' });
    this.take('share');
    this.silence = this.watch(LIMITS);
    const end = this.silence.end.bind(this.silence);
    this.silence.end = () => {
      end();
      this.#note('silence');
    };
    this.silence.asked();
    this.recorder = {
      chunk: () => this.#note('chunk'),
      end: (ending) => {
        this.#note('recorded', ending);
        return undefined;
      },
    };
  }

  take(name: string): void {
    this.hold({ end: () => this.#note(name) });
  }

  #note(hook: string, ...more: readonly unknown[]): void {
    this.notes.push([hook, ...more].join(' '));
    if (this.throwing.includes(hook)) throw new Error(`thrown by the test at ${hook}`);
  }

  protected override report(ending: Ending, bytes: number, error?: AppError): void {
    this.#note('report', ending, bytes, error?.code ?? 'no error');
  }

  override get signal(): Abortable {
    return super.signal;
  }

  /** What may happen to a request, each at any time. */
  readonly happenings: Readonly<Record<string, () => unknown>> = {
    'it is answered': () => {
      const lease = { end: () => this.#note('lease') };
      this.answered({ status: 200, lease, lost: (cause) => Promise.try(() => this.#lost(cause)) });
    },
    'the relay begins': async () => {
      // A call that was aborted, or has thrown, goes no further.
      if (this.#relay || this.#hasThrown || this.signal.aborted) return;
      this.#relay = this.opened();
      const stream = this.streamOf(this.#relay);
      this.#relay.attach(this.source);
      await undefined;
      void stream
        .getReader()
        .read()
        .catch(() => undefined);
    },
    'the client leaves': () => this.gone(),
    'the user stops it': () => this.stop(),
    'the credential is revoked': () => this.close(new AppError('signed_out')),
    'the runner is silent': () => this.silence.closable.close(new AppError('total_timeout')),
    'the call throws': () => {
      this.#hasThrown = true;
      this.fail(new AppError('runner_failed'));
    },
    'the body ends': () => {
      if (this.#isBroken) return;
      this.source.say('data: {}\n\ndata: [DONE]\n\n');
      this.source.end();
    },
    'the body breaks off': () => {
      this.#isBroken = this.source.asked.includes('read');
      this.source.lose(new Error('reset'));
    },
  };

  opened(): Relay {
    return this.open({ events: true, expectDone: true });
  }

  #lost(cause: unknown): AppError {
    this.#note('lost');
    return new AppError('runner_lost', { cause });
  }

  /** Lets these happen, and then what every request comes to: its body ends, or without a relay its call throws. */
  async live(...events: readonly string[]): Promise<this> {
    for (const event of events) await this.happenings[event]?.();
    await this.happenings[this.#relay ? 'the body ends' : 'the call throws']?.();
    for (let turn = 0; turn < TURNS_MAX && this.notesOf('report').length === 0; turn += 1) await undefined;
    return this;
  }

  /** Reads the body in one piece. */
  async read(event: string): Promise<unknown> {
    const read = Promise.resolve(this.whole(this.source)).catch((error: unknown) => error);
    await this.happenings[event]?.();
    return read;
  }

  /** The notes of a hook. */
  notesOf(hook: string): readonly string[] {
    return this.notes.filter((note) => note.split(' ')[0] === hook);
  }
}

const EVENTS = Object.keys(new Watched().happenings);

/** Every order of up to `length` of these. */
function orders(names: readonly string[], length: number): readonly (readonly string[])[] {
  if (length === 0) return [[]];
  const after = (first: string) => names.filter((name) => name !== first);
  return [[], ...names.flatMap((first) => orders(after(first), length - 1).map((rest) => [first, ...rest]))];
}

test.each(['cancel', 'detach'] as const)(
  'law 19: in every order of events it ends once (client gone: %s)',
  async (how) => {
    const all = orders(EVENTS, 4);
    expect(all.length).toBeGreaterThan(3_500);
    for (const order of all) {
      const { notes } = await new Watched(how).live(...order);
      const ends = notes.filter((note) => !/^(chunk|lost)$/.test(note));
      const lease = order.includes('it is answered') ? ['lease'] : [];
      const hooks = ends.map((note) => note.split(' ')[0] ?? '');
      expect([order, [...hooks].sort()]).toEqual([order, [...lease, 'recorded', 'report', 'share', 'silence']]);
      // The recorder is told the ending that is reported.
      const [recorded, reported] = ['recorded', 'report'].map((hook) =>
        ends.find((note) => note.startsWith(`${hook} `)),
      );
      expect([order, reported?.split(' ')[1]]).toEqual([order, recorded?.split(' ')[1]]);
    }
  },
);

test('at the end the lease is released first, then what was held in reverse order, then the end is reported', async () => {
  const relayed = await new Watched().live('it is answered', 'the relay begins');
  expect(relayed.notes).toEqual(['chunk', 'recorded done', 'lease', 'silence', 'share', 'report done 24 no error']);
  const whole = new Watched();
  whole.happenings['it is answered']?.();
  expect(await whole.read('the body ends')).toHaveLength(24);
  expect(whole.notes).toEqual(relayed.notes);
});

const FIRST: readonly (readonly [event: string, how: 'cancel' | 'detach', reported: string])[] = [
  ['the client leaves', 'cancel', 'stopped'],
  ['the user stops it', 'cancel', 'stopped'],
  ['the credential is revoked', 'cancel', 'failed'],
  ['the runner is silent', 'cancel', 'failed'],
  ['the user stops it', 'detach', 'stopped'],
  ['the credential is revoked', 'detach', 'failed'],
];

test.each(FIRST)('when %s first (client gone: %s) it has %s, whatever comes then', async (first, how, ending) => {
  for (const before of [[], ['it is answered', 'the relay begins']]) {
    for (const then of EVENTS) {
      const one = await new Watched(how).live(...before, first, then);
      expect([one.signal.aborted, then, one.notesOf('report')[0]?.split(' ')[1]]).toEqual([true, then, ending]);
    }
  }
});

test('law 9: a client that leaves aborts the call, or leaves it to go on', async () => {
  for (const [how, isAborted] of [
    ['cancel', true],
    ['detach', false],
  ] as const) {
    const one = new Watched(how);
    one.happenings['the client leaves']?.();
    expect(one.signal.aborted).toBe(isAborted);
  }
  const detached = await new Watched('detach').live('the client leaves', 'it is answered', 'the relay begins');
  expect(detached.notesOf('report')).toEqual(['report done 24 no error']);
});

test('an aborted call gets no relay, and throws why it was aborted', () => {
  const one = new Watched();
  one.happenings['the credential is revoked']?.();
  expect(() => one.opened()).toThrow(expect.objectContaining({ code: 'signed_out' }));
});

test('an answer that was read whole and reaches nobody has ended once, as it was', async () => {
  const one = new Watched();
  one.happenings['it is answered']?.();
  await one.read('the body ends');
  const { notes } = await one.live('the call throws');
  expect(notes).toEqual(['chunk', 'recorded done', 'lease', 'silence', 'share', 'report done 24 no error']);
});

test('a relay whose stream reaches nobody ends with the error that was thrown', async () => {
  const one = await new Watched('detach').live('it is answered', 'the relay begins', 'the call throws');
  expect(one.notesOf('report')).toEqual(['report failed 0 runner_failed']);
  expect(one.source.asked).toContain('cancel');
});

test('what is held after the end is given back at once, a lease too', async () => {
  const one = await new Watched('cancel', ['late']).live('the call throws', 'it is answered');
  expect(one.notes.at(-1)).toBe('lease');
  one.take('late');
  expect(one.notes.at(-1)).toBe('late');
});

const HOOKS = ['chunk', 'recorded', 'lease', 'silence', 'share', 'report', 'lost'];

test.each([...HOOKS.map((hook) => [hook]), HOOKS].map((hooks) => [hooks.join(', '), hooks] as const))(
  'what these throw keeps nothing else from happening: %s',
  async (_, throwing) => {
    for (const order of orders(EVENTS, 2).map((two) => ['it is answered', ...two])) {
      const hooksOf = async (thrown: readonly string[]) =>
        (await new Watched('cancel', thrown).live(...order)).notes.map((note) => note.split(' ')[0]);
      expect([order, await hooksOf(throwing)]).toEqual([order, await hooksOf([])]);
    }
    const whole = new Watched('cancel', throwing);
    whole.happenings['it is answered']?.();
    expect(await whole.read('the body ends')).toHaveLength(24);
    expect(whole.notes).toEqual(['chunk', 'recorded done', 'lease', 'silence', 'share', 'report done 24 no error']);
  },
);

test('a whole answer that breaks off throws why, and one that was aborted throws the reason of that', async () => {
  const broken = new Watched();
  broken.happenings['it is answered']?.();
  expect(await broken.read('the body breaks off')).toMatchObject({ code: 'runner_lost' });
  const aborted = new Watched();
  aborted.happenings['the credential is revoked']?.();
  expect(await aborted.read('the body breaks off')).toMatchObject({ code: 'signed_out' });
  for (const one of [broken, aborted]) {
    await one.live();
    expect(one.notesOf('report')).toHaveLength(1);
  }
});
