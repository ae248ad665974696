/** A router that is stopped lets what is under way end, begins nothing new, and ends at its deadline. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { startRouterProcess } from '../support/process';
import { puppetAt } from '../support/puppet-backend';
import { until } from '../support/router';
import { newestAnswer, startConversation, watchAnswer } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

/** An answer each half of which waits. */
function halves(begin: Promise<void>, goOn: Promise<void>): Response {
  const { readable, writable } = new TransformStream<string, string>();
  const writer = writable.getWriter();
  void (async () => {
    await begin;
    await writer.write(event('The first half,'));
    await goOn;
    await writer.write(event(' and the second.'));
    await writer.write('data: [DONE]\n\n');
    await writer.close();
  })();
  const headers = { 'content-type': 'text/event-stream' };
  return new Response(readable.pipeThrough(new TextEncoderStream()), { headers });
}

test('SIGTERM: an answer under way ends whole, new work is refused, the runner stays for the next router', async () => {
  const [opened, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using script = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0, idleTimeout: 0 },
    fetch: () => halves(opened.promise, goOn.promise),
  });
  const backends = [puppetAt(`http://127.0.0.1:${script.port}`)];
  await using router = await startRouterProcess({ backends, env: { DRAIN_SECONDS: '60' } });
  const alice = await router.signIn();
  const path = await startConversation(alice, 'puppet', 'Tell me.');
  const watched = watchAnswer(alice, path, opened.resolve);
  await watched.next();
  const [before] = await router.runners();
  const ended = router.kill('SIGTERM');
  await until(() => router.output().includes('"router.stopping"'), 'it drains');

  const ready = await fetch(`${router.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ ready: false, checks: { shutdown: 'The router is shutting down.' } });
  const refused = await alice.request(`${path}/messages`, {
    method: 'POST',
    body: new URLSearchParams({ text: 'echo more' }),
  });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('5');
  goOn.resolve();
  // The live page is told the rest of the answer, and ends with the router.
  const texts = await Array.fromAsync(watched);
  expect(texts.at(-1)).toBe('The first half, and the second.');

  expect(await ended).toBe(0);
  // The refusal is in the log, and is no fault.
  expect(router.output()).toContain('"request.failed"');
  expect(router.output()).not.toContain('"level":"error"');
  expect((await router.runners()).map(({ leader }) => leader)).toEqual([before?.leader]);
  await router.start();
  expect(await newestAnswer(alice, path)).toMatchObject({
    status: 'done',
    text: 'The first half, and the second.',
  });
  await alice.request('/api/runners/puppet', { method: 'DELETE' });
});

test('an answer that outlasts the deadline, or a second signal, is saved as interrupted', async () => {
  await using router = await startRouterProcess({ env: { DRAIN_SECONDS: '3600' } });
  const alice = await router.signIn();
  const path = await startConversation(alice, 'Demo', `slow ${'word '.repeat(1000)}`);
  await watchAnswer(alice, path).next();
  const ended = router.kill('SIGTERM');
  await until(() => router.output().includes('"router.stopping"'), 'it drains');
  process.kill(router.pid, 'SIGTERM');
  expect(await ended).toBe(0);
  await router.start();
  const answer = await newestAnswer(alice, path);
  expect(answer.status).toBe('failed');
  expect(answer.html).toContain('interrupted');
  expect(answer.text).toStartWith('word word');
  await alice.request('/api/runners/demo', { method: 'DELETE' });
});
