/**
 * Streams behind common proxies, each configured as its Debian package does, with only a line that leads to the router.
 * A proxy that buffers would block forever: the agent goes on only when its client has read the previous piece.
 */

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { stop } from '../support/runners';
import { chunk, completion, DONE, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

/** Only ends a failed test. */
setDefaultTimeout(60_000);

interface Proxy {
  readonly name: string;
  readonly config: string;
  /** `at` is the folder of the proxy's files, `config` its configuration there. */
  configure(ports: { proxy: number; router: number }, at: string): string;
  command(config: string): readonly string[];
}

const PROXIES: readonly Proxy[] = [
  {
    name: 'nginx',
    config: 'nginx.conf',
    configure: ({ proxy, router }, at) => `daemon off; pid ${at}/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${at}/body; proxy_temp_path ${at}/proxy; fastcgi_temp_path ${at}/fastcgi;
  uwsgi_temp_path ${at}/uwsgi; scgi_temp_path ${at}/scgi;
  server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://127.0.0.1:${router}; } }
}`,
    command: (config) => ['nginx', '-c', config],
  },
  {
    name: 'caddy',
    config: 'Caddyfile',
    configure: ({ proxy, router }) => `{
  admin off
}
http://127.0.0.1:${proxy} {
  reverse_proxy 127.0.0.1:${router}
}`,
    command: (config) => ['caddy', 'run', '--config', config, '--adapter', 'caddyfile'],
  },
  {
    name: 'haproxy',
    config: 'haproxy.cfg',
    configure: ({ proxy, router }) => `defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend all
  bind 127.0.0.1:${proxy}
  default_backend router
backend router
  server router 127.0.0.1:${router}
`,
    command: (config) => ['haproxy', '-db', '-f', config],
  },
];

const runner = scriptedRunner('behind-proxies');
let router: TestRouter;
let alice: Person;
let key: string;
beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(async () => {
  await stop(alice);
});

async function startProxy({ name, config, configure, command }: Proxy) {
  const folder = await mkdtemp(join(tmpdir(), `agent-stack-${name}-`));
  await mkdir(join(folder, 'home'));
  const path = join(folder, config);
  const port = freePort();
  await Bun.write(path, configure({ proxy: port, router: Number(new URL(router.url).port) }, folder));
  const child = Bun.spawn([...command(path)], {
    env: { PATH: process.env.PATH ?? '', HOME: join(folder, 'home') },
    stdio: ['ignore', 'ignore', Bun.file(join(folder, 'log'))],
  });
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(answers, `${name} answers: ${folder}/log`, 30_000);
  return {
    url,
    async [Symbol.asyncDispose]() {
      // SIGKILL: on SIGTERM a proxy waits for its open connections.
      child.kill('SIGKILL');
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function ask(url: string): Promise<Response> {
  const body = JSON.stringify({ model: 'echo', stream: true, messages: [{ role: 'user', content: 'hello' }] });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body });
}

for (const proxy of PROXIES) {
  const isThere = Bun.which(proxy.name) !== null;
  if (!isThere && process.env.CI !== 'true') {
    test.skip(`streams behind ${proxy.name} (skipped: it is not installed)`, () => {});
    continue;
  }
  describe(`behind ${proxy.name}`, () => {
    test('a client reads the progress of a cold start while it lasts, and the answer piece by piece', async () => {
      await using proxied = await startProxy(proxy);
      const release = router.platform.hold('start');
      const stream = pipe();
      runner.reply = () => stream.response();
      const reading = new Reading(await ask(proxied.url));
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
      await using proxied = await startProxy(proxy);
      runner.reply = () => completion('Hello.');
      const reading = new Reading(await fetch(`${proxied.url}/live`, { headers: { cookie: alice.cookie } }));
      await alice.request('/api/runners/echo/start', { method: 'POST' });
      await reading.until('data: ');
    });
  });
}
