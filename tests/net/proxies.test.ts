/** Proxies of the environment: calls of upstreams use them, requests to runners never do. */
import { afterEach, expect, test } from 'bun:test';
import { loadConfig } from '../../router/config/config';
import { upstreamAddresses } from '../../router/net/address-policy';
import { proxyChooser } from '../../router/net/proxies';
import { callUpstream, LLM, setValues } from '../support/broker';
import { memoryBackend, PEOPLE, SETTINGS, startRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';
import { startUpstream } from '../support/upstream';

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
afterEach(() => {
  for (const name of VARIABLES) delete process.env[name];
});

/** An HTTP proxy, or the server behind it. */
function startProxy() {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request) {
      asked.push(`${request.method} ${request.url}`);
      return completion('From behind the proxy.');
    },
  });
  return { asked, url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

test('runners are called directly, whatever proxies the environment has', async () => {
  await using proxy = startProxy();
  // The environment of the process, which Bun's fetch reads by itself.
  for (const name of VARIABLES) process.env[name] = proxy.url;
  const runner = scriptedRunner('proxies-runner');
  const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ALL_PROXY: proxy.url };
  await using router = await startRouter({ env, backends: [memoryBackend('agent', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
  const answer = await alice.request('/v1/chat/completions', { method: 'POST', body });
  expect([answer.status, runner.requests.length, proxy.asked]).toEqual([200, 1, []]);
});

test('upstreams are called through the proxy that is set for their scheme, those of this machine directly', async () => {
  await using proxy = startProxy();
  await using upstream = startUpstream();
  const runner = scriptedRunner('proxies-upstream');
  const backends = [memoryBackend('agent', { user_overridable_env: LLM }, runner.program)];
  await using router = await startRouter({ env: { http_proxy: proxy.url, NO_PROXY: 'direct.test' }, backends });
  const alice = await router.person(PEOPLE.alice);
  runner.reply = ({ headers }) => callUpstream(runner, headers);
  const ask = async (baseUrl: string) => {
    await setValues(alice, { LLM_BASE_URL: baseUrl, LLM_API_KEY: upstream.key, LLM_MODEL: 'm' });
    const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
    const answer = await alice.request('/v1/chat/completions', { method: 'POST', body });
    return `${answer.status} ${await answer.text()}`;
  };
  // A name that only the proxy can resolve.
  expect(await ask('http://llm.test/v1')).toContain('From behind the proxy.');
  expect(proxy.asked).toEqual(['POST http://llm.test/v1/chat/completions']);
  expect(await ask(upstream.url)).toContain('Hello from upstream.');
  expect(await ask('http://direct.test/v1')).toContain('no address is known');
  expect([proxy.asked.length, upstream.requests.length]).toEqual([1, 1]);
});

test('a forbidden address is not called through a proxy either', async () => {
  const policy = { allowPrivate: false, ownPorts: [], proxyFor: () => 'http://proxy.test:3128/' };
  const names: Record<string, string[]> = { 'metadata.test': ['169.254.169.254'], 'intranet.test': ['10.0.0.7'] };
  const lookup = async (name: string) => names[name] ?? Promise.reject(new Error('ENOTFOUND'));
  const addresses = upstreamAddresses({ policy, lookup, now: Date.now });
  for (const host of ['169.254.169.254', 'metadata.test', 'intranet.test', '127.0.0.1', 'metadata.google.internal']) {
    expect([host, await Promise.try(addresses.of, `http://${host}/v1`).catch(({ code }) => code)]).toEqual([
      host,
      'invalid_request',
    ]);
  }
  expect(await addresses.of('https://only-the-proxy-knows.test/v1')).toEqual([]);
});

test('NO_PROXY names domains, addresses and ranges, with or without a port', () => {
  const isDirect = (except: string, url: string) =>
    proxyChooser({ http: 'http://p/', https: 'http://p/', except: except.split(',') })(new URL(url)) === undefined;
  const direct: [string, string][] = [
    ['*', 'https://api.example'],
    ['a.example', 'https://a.example/v1'],
    ['a.example', 'https://b.A.example./v1'],
    ['.a.example', 'https://b.a.example'],
    ['*.a.example', 'https://b.a.example'],
    ['a.example:8080', 'http://a.example:8080'],
    ['a.example:443', 'https://a.example'],
    ['x,10.0.0.0/8', 'http://10.1.2.3/v1'],
    ['10.1.2.3', 'http://[::ffff:10.1.2.3]/'],
    ['10.1.2.3:80', 'http://10.1.2.3/'],
    ['fd00::/8', 'http://[fd12::1]/'],
    ['[fd12::1]:80', 'http://[fd12:0::1]/'],
    ['', 'http://localhost:11434'],
    ['', 'http://127.0.0.1:11434'],
    ['', 'http://[::1]:11434'],
  ];
  for (const [except, url] of direct) expect([except, url, isDirect(except, url)]).toEqual([except, url, true]);
  const proxied: [string, string][] = [
    ['a.example', 'https://ba.example'],
    ['a.example', 'https://example'],
    ['a.example:8080', 'https://a.example'],
    ['10.0.0.0/8', 'http://11.0.0.1'],
    ['10.0.0.0/8', 'http://10.example'],
    ['', 'http://10.0.0.1'],
  ];
  for (const [except, url] of proxied) expect([except, url, isDirect(except, url)]).toEqual([except, url, false]);
});

test('the settings are read in either case, and ALL_PROXY stands for what is not set', () => {
  const proxiesOf = (env: Record<string, string>) => loadConfig({ ...SETTINGS, ...env }).secrets.proxies;
  expect(proxiesOf({})).toEqual({ except: [] });
  expect(proxiesOf({ https_proxy: 'proxy.lan:3128', HTTPS_PROXY: 'http://other', no_proxy: 'a, b c' })).toEqual({
    https: 'http://proxy.lan:3128/',
    except: ['a', 'b', 'c'],
  });
  const all = { ALL_PROXY: 'socks5://127.0.0.1:1080', HTTPS_PROXY: 'http://127.0.0.1:7890' };
  expect(proxiesOf(all)).toEqual({ http: 'socks5://127.0.0.1:1080', https: 'http://127.0.0.1:7890/', except: [] });
  const choose = proxyChooser(proxiesOf(all));
  expect(choose(new URL('https://api.example'))).toBe('http://127.0.0.1:7890/');
  expect(() => choose(new URL('http://api.example'))).toThrow('SOCKS');
  expect(() => proxiesOf({ HTTP_PROXY: 'ftp://x' })).toThrow('HTTP_PROXY: must be the URL of a proxy');
});
