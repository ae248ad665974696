/**
 * Common reverse proxies: each configured as its Debian package does, with only a line that leads to the router; and as
 * docs/deploy shows, with TLS.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'bun';
import { freePort } from './ports';
import { until } from './router';

const DEPLOY = join(import.meta.dir, '../../docs/deploy');

/** The name in the examples of docs/deploy. */
export const EXAMPLE_HOST = 'agents.example.org';

export interface Proxy {
  /** Of its program. */
  readonly name: string;
  readonly config: string;
  readonly isTls: boolean;
  /** @param at the folder of the proxy's files; for TLS it has `cert`, `key` and `pem`. */
  configure(ports: { proxy: number; router: number }, at: string): string | Promise<string>;
  command(config: string): readonly string[];
}

const nginx = (at: string, server: string) => `daemon off; pid ${at}/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${at}/body; proxy_temp_path ${at}/proxy; fastcgi_temp_path ${at}/fastcgi;
  uwsgi_temp_path ${at}/uwsgi; scgi_temp_path ${at}/scgi;
  ${server}
}`;
const COMMANDS = {
  nginx: (config: string) => ['nginx', '-c', config],
  caddy: (config: string) => ['caddy', 'run', '--config', config, '--adapter', 'caddyfile'],
  haproxy: (config: string) => ['haproxy', '-db', '-f', config],
};

export const PLAIN_PROXIES: readonly Proxy[] = [
  {
    ...{ name: 'nginx', config: 'nginx.conf', isTls: false, command: COMMANDS.nginx },
    configure: ({ proxy, router }, at) =>
      nginx(at, `server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://127.0.0.1:${router}; } }`),
  },
  {
    ...{ name: 'caddy', config: 'Caddyfile', isTls: false, command: COMMANDS.caddy },
    configure: ({ proxy, router }) => `{
  admin off
}
http://127.0.0.1:${proxy} {
  reverse_proxy 127.0.0.1:${router}
}`,
  },
  {
    ...{ name: 'haproxy', config: 'haproxy.cfg', isTls: false, command: COMMANDS.haproxy },
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
  },
];

/** Reads an example and replaces what differs in a test. Throws when one of the texts is not in it. */
async function example(file: string, replaced: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(DEPLOY, file), 'utf8');
  for (const [from, to] of Object.entries(replaced)) {
    if (!text.includes(from)) throw new Error(`docs/deploy/${file} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

export const EXAMPLE_PROXIES: readonly Proxy[] = [
  {
    ...{ name: 'nginx', config: 'nginx.conf', isTls: true, command: COMMANDS.nginx },
    configure: async ({ proxy, router }, at) =>
      nginx(
        at,
        await example('nginx.conf', {
          'listen 443 ssl': `listen 127.0.0.1:${proxy} ssl`,
          '/etc/letsencrypt/live/agents.example.org/fullchain.pem': join(at, 'cert'),
          '/etc/letsencrypt/live/agents.example.org/privkey.pem': join(at, 'key'),
          '127.0.0.1:18000': `127.0.0.1:${router}`,
        }),
      ),
  },
  {
    ...{ name: 'caddy', config: 'Caddyfile', isTls: true, command: COMMANDS.caddy },
    configure: async ({ proxy, router }, at) =>
      `{\n  admin off\n  auto_https disable_redirects\n}\n${await example('Caddyfile', {
        'agents.example.org {': `https://${EXAMPLE_HOST}:${proxy} {\n\tbind 127.0.0.1\n\ttls ${at}/cert ${at}/key`,
        '127.0.0.1:18000': `127.0.0.1:${router}`,
      })}`,
  },
  {
    ...{ name: 'haproxy', config: 'haproxy.cfg', isTls: true, command: COMMANDS.haproxy },
    configure: ({ proxy, router }, at) =>
      example('haproxy.cfg', {
        'bind :443': `bind 127.0.0.1:${proxy}`,
        '/etc/haproxy/agents.example.org.pem': join(at, 'pem'),
        '127.0.0.1:18000': `127.0.0.1:${router}`,
      }),
  },
];

export interface StartedProxy extends AsyncDisposable {
  readonly port: number;
  /** A request to the proxy. @param host value of `Host`; by default that of the proxy's address. */
  fetch(path: string, init?: RequestInit, host?: string): Promise<Response>;
}

/** Starts the proxy in front of the router, and waits until the router answers through it. */
export async function startProxy(
  { name, config, isTls, configure, command }: Proxy,
  routerUrl: string,
): Promise<StartedProxy> {
  const folder = await mkdtemp(join(tmpdir(), `agent-stack-${name}-`));
  await mkdir(join(folder, 'home'));
  if (isTls) await makeCertificate(folder);
  const path = join(folder, config);
  const port = freePort();
  await Bun.write(path, await configure({ proxy: port, router: Number(new URL(routerUrl).port) }, folder));
  const child = Bun.spawn([...command(path)], {
    env: { PATH: process.env.PATH ?? '', HOME: join(folder, 'home') },
    stdio: ['ignore', 'ignore', Bun.file(join(folder, 'log'))],
  });
  const own = isTls ? `${EXAMPLE_HOST}:${port}` : `127.0.0.1:${port}`;
  const request = (to: string, init: RequestInit = {}, host = own) =>
    fetch(`${isTls ? 'https' : 'http'}://127.0.0.1:${port}${to}`, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), host },
      ...(isTls && { tls: { rejectUnauthorized: false, serverName: EXAMPLE_HOST } }),
    });
  const answers = () =>
    request('/healthz').then(
      ({ ok }) => ok,
      () => false,
    );
  await until(answers, `${name} answers: ${folder}/log`, 30_000);
  return {
    port,
    fetch: request,
    async [Symbol.asyncDispose]() {
      // SIGKILL: on SIGTERM a proxy waits for its open connections.
      child.kill('SIGKILL');
      await child.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeCertificate(folder: string): Promise<void> {
  const subject = `/CN=${EXAMPLE_HOST}`;
  const names = `subjectAltName=DNS:${EXAMPLE_HOST}`;
  const [cert, key] = [join(folder, 'cert'), join(folder, 'key')];
  await $`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj ${subject} -addext ${names} -keyout ${key} -out ${cert}`.quiet();
  await Bun.write(join(folder, 'pem'), (await Bun.file(cert).text()) + (await Bun.file(key).text()));
}
