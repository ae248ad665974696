/** The requirements for every client: with every agent, cold and warm, and with each kind of failure. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '../../support/router';
import { hang } from '../../support/upstream';
import { AGENTS, ANSWER, type Fleet, SAY_IT, startFleet } from './fleet';
import { BROKER_TRIES, busy, LOST, SCENES, type Scene, type Trouble } from './troubles';

/** One question, as the user of the client sends it. */
export interface Call {
  /** Base URL, ending in `/v1`. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly text: string;
  readonly signal?: AbortSignal;
  /** No retries. In everything else the client has its defaults. */
  readonly once?: true;
}

interface Client {
  /** The whole answer, not streamed. Throws the client's errors. */
  chat(call: Call): Promise<string>;
  /** The pieces of text of a streamed answer. Throws the client's errors. */
  stream(call: Call): AsyncIterable<string>;
  /** Offers `ADD` and runs it when it is called. */
  add(call: Call, isStream: boolean): Promise<Added>;
  /** How the client reports an error of each kind; `undefined` status if the answer had begun. */
  explain(error: unknown): Explained;
  readonly kinds: Readonly<Record<Trouble, string>>;
}

export interface Added {
  /** The arguments of the tool call, if there was one. */
  readonly calledWith: unknown;
  readonly text: string;
}

interface Explained {
  /** The class of the error, and its members in the client. */
  readonly kind: string;
  readonly status: number | undefined;
  readonly message: string;
}

/** The client's tool, in JSON Schema. */
export const ADD = {
  name: 'add',
  description: 'Adds two numbers.',
  parameters: {
    type: 'object',
    properties: { a: { type: 'number' }, b: { type: 'number' } },
    required: ['a', 'b'],
    additionalProperties: false,
  },
} as const;
export const SUM = '5';

/** The timeout of a user who waits. Only ends a failed test. */
const LIMIT_MS = 60_000;

/** Registers the tests of the matrix for one client. The fleet exists while tests run. */
export function matrix(client: Client): () => Fleet {
  setDefaultTimeout(LIMIT_MS);
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startFleet();
  });
  afterAll(() => fleet[Symbol.asyncDispose]());
  const call = (model: string, more: Partial<Call> = {}): Call => ({
    url: fleet.url,
    key: fleet.key,
    model,
    text: SAY_IT,
    ...more,
  });

  describe.each(AGENTS)('%s', (agent) => {
    const whole = () => client.chat(call(agent));
    const streamed = async () => {
      const pieces = await Array.fromAsync(client.stream(call(agent)));
      expect(pieces.length).toBeGreaterThan(1);
      return pieces.join('');
    };

    test('a client waits through a cold start for its answer, whole and streamed', async () => {
      await fleet.chill(agent);
      for (const _ of [whole, streamed]) fleet.willAnswer(agent);
      expect(await fleet.isWarm(agent)).toBe(false);
      expect(await Promise.all([whole(), streamed()])).toEqual([ANSWER, ANSWER]);
    });

    test.each([
      ['whole', whole],
      ['streamed', streamed],
    ])('a runner that is there answers, %s', async (_how, ask) => {
      expect(await fleet.isWarm(agent)).toBe(true);
      fleet.willAnswer(agent);
      expect(await ask()).toBe(ANSWER);
    });

    test.each(['whole', 'streamed'])('a client that offers tools gets its answer, %s', async (how) => {
      // An agent has tools of its own; a backend that passes messages to a model also passes the client's tools on.
      const isCalled = agent === 'direct';
      if (isCalled) scriptCall(fleet);
      fleet.willAnswer(agent);
      const { text, calledWith } = await client.add(call(agent), how === 'streamed');
      expect([text, calledWith]).toEqual([ANSWER, isCalled ? { a: 2, b: 3 } : undefined]);
    });

    test('law 9: a client that leaves ends the answer, down to the upstream', async () => {
      const count = fleet.upstream.requests.length;
      if (agent !== 'demo') fleet.upstream.script({ pieces: ['It is ', hang()] });
      const leaving = new AbortController();
      const text = `slow ${'word '.repeat(1_000)}`;
      let said = '';
      try {
        for await (const piece of client.stream(call(agent, { text, signal: leaving.signal }))) {
          said += piece;
          leaving.abort();
        }
      } catch {
        // Some clients say so.
      }
      expect(said).not.toBe('');
      if (agent !== 'demo') expect(await (await fleet.upstream.request(count + 1)).ended).toBe('aborted');
      await until(async () => (await fleet.leases(agent)) === 0, 'the runner is let go of');
    });
  });

  describe.each(Object.entries<Scene>(SCENES))('%s', (trouble, scene) => {
    test.each(['whole', 'streamed'])('is an error of its class that says what to do, %s', async (how) => {
      const asked = call('direct', { once: true, ...scene.arrange(fleet) });
      const ask = () => (how === 'whole' ? client.chat(asked) : Array.fromAsync(client.stream(asked)));
      const error = await ask().then(
        (answer) => new Error(`It answered: ${answer}`),
        (thrown: unknown) => thrown,
      );
      scene.restore?.(fleet);
      const { kind, status, message } = client.explain(error);
      expect([kind, status]).toEqual([client.kinds[trouble as Trouble], scene.status]);
      expect(message).toMatch(scene.says);
    });
  });

  test('law 10: an agent that is lost in the middle is an error after the text', async () => {
    let said = '';
    let error: unknown;
    try {
      for await (const piece of client.stream(call('demo', { text: 'crash', once: true }))) said += piece;
    } catch (thrown) {
      error = thrown;
    }
    expect(said).not.toBe('');
    const { kind, message } = client.explain(error);
    expect([kind, message]).toEqual([
      client.kinds[LOST],
      expect.stringMatching(/^The agent stopped.* Send the message/),
    ]);
  });

  test('a failure that passes is one that nobody sees: the client tries again, whole and streamed', async () => {
    fleet.willAnswer('direct');
    // The upstream was busy before; an answer ends that state.
    await client.chat(call('direct'));
    const count = fleet.upstream.requests.length;
    fleet.upstream.script(...busy(2 * BROKER_TRIES));
    for (const _ of ['whole', 'streamed']) fleet.willAnswer('direct');
    const streamed = Array.fromAsync(client.stream(call('direct')));
    expect([await client.chat(call('direct')), (await streamed).join('')]).toEqual([ANSWER, ANSWER]);
    expect(fleet.upstream.requests.length - count).toBe(2 * BROKER_TRIES + 2);
  });

  return () => fleet;
}

/** The upstream calls the client's tool, in parts as models do. */
function scriptCall({ upstream }: Fleet): void {
  const chunk = (delta: object, finish: string | null = null) => ({
    ...{ id: 'chatcmpl-call', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'first-model' },
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const part = (more: object) => chunk({ tool_calls: [{ index: 0, ...more }] });
  const chunks = [
    part({ id: 'call_1', type: 'function', function: { name: ADD.name, arguments: '' } }),
    part({ function: { arguments: '{"a": 2, ' } }),
    part({ function: { arguments: '"b": 3}' } }),
    chunk({}, 'tool_calls'),
  ];
  const body = [...chunks.map((one) => JSON.stringify(one)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
  upstream.script({ status: 200, body, headers: { 'content-type': 'text/event-stream' } });
}
