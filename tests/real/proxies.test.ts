/**
 * Streams and sign-ins behind common proxies. A proxy that buffers would block forever: the agent goes on only when its
 * client has read the previous piece.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { EXAMPLE_HOST, EXAMPLE_PROXIES, PLAIN_PROXIES, type StartedProxy, startProxy } from '../support/proxies';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { stop } from '../support/runners';
import { chunk, completion, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

/** Only ends a failed test. */
setDefaultTimeout(60_000);

const runner = scriptedRunner('behind-proxies');
let router: TestRouter;
let alice: Person;
let key: string;
beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('echo', {}, runner.program)],
    env: { ROUTER_PUBLIC_BASE_URL: `https://${EXAMPLE_HOST}`, COOKIE_SECURE: 'true', TRUST_PROXY: 'loopback' },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(async () => {
  await stop(alice);
});

function ask(proxied: StartedProxy): Promise<Response> {
  const body = JSON.stringify({ model: 'echo', stream: true, messages: [{ role: 'user', content: 'hello' }] });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return proxied.fetch('/v1/chat/completions', { method: 'POST', headers, body });
}

for (const proxy of [...PLAIN_PROXIES, ...EXAMPLE_PROXIES]) {
  const title = `behind ${proxy.name}${proxy.isTls ? ' as in docs/deploy' : ''}`;
  const isThere = Bun.which(proxy.name) !== null;
  if (!isThere && process.env.CI !== 'true') {
    test.skip(`streams ${title} (skipped: it is not installed)`, () => {});
    continue;
  }
  describe(title, () => {
    test('a client reads the progress of a cold start while it lasts, and the answer piece by piece', async () => {
      await using proxied = await startProxy(proxy, router.url);
      const release = router.platform.hold('start');
      const stream = pipe();
      runner.reply = () => stream.response();
      const reading = new Reading(await ask(proxied));
      await reading.until('\n: ');
      release();
      for (const piece of ['one', 'two', 'three']) {
        stream.write(chunk(piece));
        await reading.until(piece);
      }
      stream.write(DONE);
      stream.close();
      expect(await reading.end()).toEndWith(DONE);
    });

    test('the page gets what happens as it happens', async () => {
      await using proxied = await startProxy(proxy, router.url);
      runner.reply = () => completion('Hello.');
      const reading = new Reading(await proxied.fetch('/live', { headers: { cookie: alice.cookie } }));
      await alice.request('/api/runners/echo/start', { method: 'POST' });
      await reading.until('data: ');
    });

    if (!proxy.isTls) return;
    test('people sign in by the name with and without its port, and no other name or origin is served', async () => {
      await using proxied = await startProxy(proxy, router.url);
      const signIn = (host: string, origin: string) =>
        proxied.fetch(
          '/sign-in',
          {
            ...{ method: 'POST', redirect: 'manual', headers: { origin } },
            body: new URLSearchParams({ email: ADMIN.email, password: ADMIN.password }),
          },
          host,
        );
      for (const host of [EXAMPLE_HOST, `${EXAMPLE_HOST}:${proxied.port}`]) {
        const answer = await signIn(host, `https://${host}`);
        expect([host, answer.status]).toEqual([host, 303]);
        expect(answer.headers.get('set-cookie')).toMatch(/; Secure/);
      }
      expect((await signIn(EXAMPLE_HOST, 'https://elsewhere.example')).status).toBe(403);
      // Caddy answers with an empty page, the others leave it to the router.
      expect((await signIn('elsewhere.example', 'https://elsewhere.example')).status).not.toBe(303);
    });

    test('a body of the largest size passes', async () => {
      await using proxied = await startProxy(proxy, router.url);
      runner.reply = () => completion('Got it.');
      const text = 'x'.repeat(router.context.config.maxBodyBytes - 1_000);
      const answer = await proxied.fetch('/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: text }] }),
      });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('Got it.')]);
    });
  });
}
