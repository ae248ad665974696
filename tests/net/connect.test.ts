/** Connecting and the TLS handshake have a time limit. A request after that has none. */
import { expect, test } from 'bun:test';
import { ConnectTimeoutError } from '../../router/net/connect-timeout';
import { open, UnreachableError } from '../../router/net/outgoing';

const SOON_MS = 50;

/** A port whose server accepts connections and never sends a byte. */
function silentPort() {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  return { port: server.port, stop: () => server.stop(true), [Symbol.dispose]: () => server.stop(true) };
}

const get = (url: string, more: object = {}) =>
  open({ url, method: 'GET', headers: {}, signal: new AbortController().signal, connectMs: SOON_MS, ...more });
const refusalOf = (answer: Promise<unknown>) =>
  answer.then(
    () => undefined,
    (error: unknown) => error,
  );

test('a port that does not speak TLS is given up on its own clock, and nothing has been sent there', async () => {
  using silent = silentPort();
  for (const more of [{}, { address: '127.0.0.1', url: `https://silent.test:${silent.port}/v1/models` }]) {
    const refused = await refusalOf(get(`https://127.0.0.1:${silent.port}/v1/models`, more));
    expect(refused).toBeInstanceOf(UnreachableError);
    expect(refused).toMatchObject({ mayHaveArrived: false, cause: expect.any(ConnectTimeoutError) });
  }
});

test('an abort during a handshake rejects at once, with its own reason', async () => {
  using silent = silentPort();
  const leaving = new AbortController();
  const reason = new Error('left');
  const answer = get(`https://127.0.0.1:${silent.port}/`, { signal: leaving.signal, connectMs: 600_000 });
  leaving.abort(reason);
  expect(await refusalOf(answer)).toBe(reason);
});

test('a port where nobody listens, or nobody speaks TLS, is refused with the word of the system', async () => {
  const gone = silentPort();
  gone.stop();
  const refused = await refusalOf(get(`https://127.0.0.1:${gone.port}/`, { connectMs: 600_000 }));
  expect(refused).toMatchObject({ mayHaveArrived: false, cause: { code: 'ECONNREFUSED' } });
  await using plain = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('plain') });
  const spoken = await refusalOf(get(`https://127.0.0.1:${plain.port}/`, { connectMs: 600_000 }));
  expect(spoken).toBeInstanceOf(UnreachableError);
  expect((spoken as Error).cause).not.toBeInstanceOf(ConnectTimeoutError);
});

test('an answer that is thought about for longer than a connection may take is waited for', async () => {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  await using server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async () => {
      asked.resolve();
      await gate.promise;
      return new Response('Thought.');
    },
  });
  const answer = get(server.url.href);
  await asked.promise;
  // The time limit of the connection has passed.
  await new Promise((resolve) => setTimeout(resolve, 2 * SOON_MS));
  gate.resolve();
  expect((await answer).status).toBe(200);
});
