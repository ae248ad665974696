/** Traces: a real router with the SDK, a collector that keeps what it gets, and an upstream that tells its headers. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status?: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

const spans: ReceivedSpan[] = [];
const collector = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  routes: {
    '/v1/traces': async (request) => {
      const { resourceSpans } = (await request.json()) as {
        resourceSpans: { scopeSpans: { spans: ReceivedSpan[] }[] }[];
      };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      return Response.json({});
    },
  },
});
/** The trace headers of each call of the LLM API. */
const seen: (string | null)[] = [];
const upstream = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    seen.push(request.headers.get('traceparent'));
    if ((await request.text()).includes('refuse')) return Response.json({ error: { message: 'No.' } }, { status: 400 });
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const message = { role: 'assistant', content: 'Hello.' };
    return Response.json({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage });
  },
});
afterAll(async () => {
  await collector.stop(true);
  await upstream.stop(true);
});

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT_ID = '00f067aa0ba902b7';

/** Asks the agent that passes messages to the LLM API. */
async function startAsking(env: Record<string, string>) {
  const router = await startRouterProcess({ env });
  const alice = await router.signIn(PEOPLE.alice);
  const key = await alice.createKey();
  const values = { LLM_BASE_URL: `http://127.0.0.1:${upstream.port}/v1`, LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
  for (const [name, value] of Object.entries(values)) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  const ask = async (content: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'direct', messages: [{ role: 'user', content }] }),
    });
    await response.text();
    return response.status;
  };
  return { router, ask };
}

const factsOf = ({ attributes }: ReceivedSpan) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

test('an answer and the LLM call that it caused are one trace, which the caller began and the LLM API is told', async () => {
  const { router, ask } = await startAsking({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}/`,
    OTEL_BSP_SCHEDULE_DELAY: '100',
  });
  await using _router = router;
  expect(await ask('hello', { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` })).toBe(200);
  await until(() => spans.length >= 2, 'the spans are sent');
  const answer = spans.find(({ name }) => name === 'answer');
  const call = spans.find(({ name }) => name === 'llm call');
  expect(answer).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID });
  expect(call).toMatchObject({ traceId: TRACE_ID, parentSpanId: answer?.spanId ?? '' });
  expect(seen).toEqual([`00-${TRACE_ID}-${call?.spanId}-01`]);
  expect(answer && factsOf(answer)).toMatchObject({
    ...{ 'agent_stack.backend': 'direct', 'agent_stack.cold_start': true, 'agent_stack.ending': 'done' },
    ...{ 'url.path': '/v1/chat/completions', 'http.response.status_code': 200 },
  });
  // No text, key or name of a person.
  const sent = JSON.stringify(spans);
  for (const word of ['hello', 'Hello', 'sk-', PEOPLE.alice.email, PEOPLE.alice.name]) expect(sent).not.toContain(word);

  spans.length = 0;
  expect(await ask('refuse')).toBe(400);
  // What is left is sent when the router ends.
  expect(await router.kill('SIGTERM')).toBe(0);
  const own = spans.find(({ name }) => name === 'answer');
  expect(own?.traceId).not.toBe(TRACE_ID);
  expect(spans.find(({ name }) => name === 'llm call')).toMatchObject({
    traceId: own?.traceId ?? '',
    status: { code: 2 },
  });
  await router.start();
});

test('a caller that does not want its trace recorded is not, and the LLM API is told so', async () => {
  const { router, ask } = await startAsking({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_TRACES_SAMPLER_ARG: '0',
  });
  await using _router = router;
  spans.length = seen.length = 0;
  expect(await ask('hello', { traceparent: `00-${TRACE_ID}-${PARENT_ID}-00` })).toBe(200);
  expect(await ask('hello')).toBe(200);
  await router.kill('SIGTERM');
  expect(spans).toEqual([]);
  expect(seen.map((one) => one?.slice(-3))).toEqual(['-00', '-00']);
});

test('a collector that cannot be reached is named in the log, and nobody waits for it', async () => {
  const { router, ask } = await startAsking({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  });
  await using _router = router;
  expect(await ask('hello')).toBe(200);
  await until(() => router.output().includes('"tracing.failed"'), 'the log has it', 30_000);
  expect(await router.kill('SIGTERM')).toBe(0);
});

test('without the setting no trace is begun or passed on', async () => {
  const { router, ask } = await startAsking({});
  await using _router = router;
  spans.length = seen.length = 0;
  expect(await ask('hello', { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` })).toBe(200);
  expect(seen).toEqual([null]);
  expect(spans).toEqual([]);
});
