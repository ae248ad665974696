/** If there is no API at a base URL, the error says how to change the URL, for every kind of answer from there. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BrokerBench, startBroker } from '../support/broker';

let bench: BrokerBench;
let server: Bun.Server<undefined>;
let answer = () => new Response('404 page not found', { status: 404 });
beforeAll(async () => {
  bench = await startBroker('broker-address-hint');
  server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => answer() });
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await server.stop(true);
});

const at = (path: string) => bench.set({ LLM_BASE_URL: `http://127.0.0.1:${server.port}${path}` });
async function told(): Promise<{ status: number; message: string; code: unknown }> {
  const response = await bench.complete({ stream: true });
  const { error } = (await response.json()) as { error: { message: string; code: unknown } };
  return { status: response.status, ...error };
}

/** Answers of servers to an unknown path. */
const ELSEWHERE = {
  'plain text': () => new Response('404 page not found', { status: 404 }),
  'a list of one error': () => Response.json({ detail: 'Not Found' }, { status: 404 }),
  'a path named with a status of 200': () =>
    Response.json({ error: 'Unexpected endpoint or method. (POST /chat/completions)' }),
  'a web page with a status of 200': () =>
    new Response('<!doctype html><title>UI</title>', { headers: { 'content-type': 'text/html' } }),
  'a method that is not allowed': () => Response.json({ error: { message: 'Method Not Allowed' } }, { status: 405 }),
};
for (const [what, reply] of Object.entries(ELSEWHERE)) {
  test(`the error for a base URL without /v1 says to add it: ${what}`, async () => {
    answer = reply;
    for (const path of ['', '/', '/api/']) {
      await at(path);
      const { message, code, status } = await told();
      expect(message).toContain(`try http://127.0.0.1:${server.port}${path.replace(/\/$/, '')}/v1.`);
      expect([code, status >= 400]).toEqual(['upstream_address', true]);
    }
  });
}

test('a base URL that ends in a path of the API is refused with the URL without that path', async () => {
  answer = ELSEWHERE['plain text'];
  for (const path of ['chat/completions', 'responses', 'models/']) {
    await at(`/v1/${path}`);
    expect((await told()).message).toContain(`set http://127.0.0.1:${server.port}/v1.`);
  }
});

test('nothing is said of an address at which an API has understood, or that looks right', async () => {
  answer = () =>
    Response.json({ error: { message: 'The model `x` does not exist.', code: 'model_not_found' } }, { status: 404 });
  await at('');
  expect((await told()).message).toBe('The model `x` does not exist.');
  answer = () => Response.json({ error: { message: 'No route.' } }, { status: 404 });
  await at('/v1beta/openai');
  expect((await told()).message).toBe('No route.');
});
