/** The broker asks for usage. An upstream that refuses `stream_options` works, and is asked with it only once. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type BrokerBench, startBroker } from '../support/broker';

let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('broker-stream-options');
});
afterAll(() => bench[Symbol.asyncDispose]());

const REFUSALS = [
  {
    status: 422,
    body: '{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"]}]}}',
  },
  {
    status: 400,
    body: '{"error_code":"BAD_REQUEST","message":"Bad request: json: unknown field \\"stream_options\\""}',
  },
];
const asked = { stream: true, stream_options: { include_usage: true } };
const model = (name: string) => bench.set({ LLM_MODEL: name });
const options = (from: number) => bench.upstream.requests.slice(from).map(({ body }) => body.stream_options);

for (const more of [asked, { stream: true }]) {
  const who = 'stream_options' in more ? 'that the runner asked for' : 'that the broker asked for';
  test(`an upstream that refuses usage ${who} is called without it, and never with it again`, async () => {
    for (const refusal of REFUSALS) {
      await model(`refuses ${refusal.status} ${who}`);
      const from = bench.upstream.requests.length;
      bench.upstream.script(refusal);
      for (let call = 0; call < 2; call += 1) {
        const response = await bench.complete(more);
        expect([response.status, (await response.text()).includes('Hello')]).toEqual([200, true]);
      }
      expect(options(from)).toEqual([{ include_usage: true }, undefined, undefined]);
    }
  });
}

test('a parameter that one model refuses is still sent to another model behind the same gateway', async () => {
  await model('refuses');
  bench.upstream.script({ status: 400 });
  await (await bench.complete(asked)).text();
  await model('takes');
  const from = bench.upstream.requests.length;
  await (await bench.complete(asked)).text();
  expect(options(from)).toEqual([{ include_usage: true }]);
});

test('an upstream that accepted it is called again without it only if its refusal names it', async () => {
  await model('took-it');
  await (await bench.complete(asked)).text();
  const from = bench.upstream.requests.length;
  bench.upstream.script({ status: 400, message: 'messages is too long' });
  const refused = await bench.complete(asked);
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: { message: 'messages is too long' } }]);
  bench.upstream.script({ status: 400, message: 'Unknown parameter: stream_options' });
  expect((await bench.complete(asked)).status).toBe(200);
  expect(options(from)).toEqual([{ include_usage: true }, { include_usage: true }, undefined]);
});

test('a refusal for another reason is passed on, after one try without usage', async () => {
  await model('refuses-all');
  bench.upstream.script({ status: 400, message: 'stream?' }, { status: 400, message: 'The prompt is too long.' });
  const refused = await bench.complete(asked);
  expect([refused.status, await refused.json()]).toMatchObject([
    400,
    { error: { message: 'The prompt is too long.' } },
  ]);
});

test('a stream of long events from which the usage is taken out arrives whole', async () => {
  const words = Array.from({ length: 200 }, (_, index) => String.fromCharCode(0x4e00 + index).repeat(14_000));
  bench.upstream.script({ pieces: words });
  const text = await (await bench.complete({ stream: true })).text();
  const events = text.split('\n\n').flatMap((event) => /^data: (\{.*)$/.exec(event)?.[1] ?? []);
  const said = events.map((event) => JSON.parse(event).choices[0]?.delta?.content ?? '');
  expect([said.join('') === words.join(''), text.endsWith('data: [DONE]\n\n'), text.includes('"usage":{')]).toEqual([
    ...[true, true, false],
  ]);
});
