/**
 * Law 22: the addresses that users can make the broker call. The broker connects to the address that it has checked.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upstreamsService } from '../../router/broker/upstreams';
import { type Lookup, upstreamAddresses } from '../../router/net/address-policy';
import { type BrokerBench, callUpstream, LLM, setValues, startBroker } from '../support/broker';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { startUpstream } from '../support/upstream';

let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('broker-address');
});
afterAll(() => bench[Symbol.asyncDispose]());

const ALLOWED = { allowPrivate: true, ownPorts: [] };

/** Upstreams whose names the test resolves. */
function upstreamsWith(lookup: Lookup, more: { allowPrivate?: boolean; now?: () => number } = {}) {
  const { allowPrivate = true, now = Date.now } = more;
  const { credentials } = bench.router.context;
  return upstreamsService({
    credentials,
    addresses: upstreamAddresses({ policy: { ...ALLOWED, allowPrivate }, lookup, now }),
  });
}

const signal = new AbortController().signal;
const codeOf = async (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );

test('law 22: a name that leads to such an address is not called either, not even when it leads elsewhere too', async () => {
  const { key, url } = bench.upstream;
  const named = url.replace('127.0.0.1', 'llm.test');
  for (const bad of ['169.254.169.254', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe', '0.0.0.0', 'fe80::1']) {
    const upstreams = upstreamsWith(async () => ['127.0.0.1', bad]);
    expect([bad, await codeOf(upstreams.listModels({ baseUrl: named, apiKey: key }, signal))]).toEqual([
      bad,
      expect.stringMatching(/^invalid_request: .*never called/),
    ]);
  }
  const unknown = upstreamsWith(async () => Promise.reject(new Error('ENOTFOUND')));
  expect(await codeOf(unknown.listModels({ baseUrl: named, apiKey: key }, signal))).toContain('"llm.test"');
});

test('law 22: the broker connects to the address that it has checked, whatever the name resolves to by then', async () => {
  await using upstream = startUpstream();
  const baseUrl = upstream.url.replace('127.0.0.1', 'rebind.test');
  const { host } = new URL(baseUrl);
  let nowMs = 0;
  const asked: string[] = [];
  // The first lookup returns the allowed address, later ones the forbidden address. No other resolver knows this name.
  const lookup: Lookup = async (name) => [asked.push(name) === 1 ? '127.0.0.1' : '169.254.169.254'];
  const upstreams = upstreamsWith(lookup, { now: () => nowMs });
  const list = () => upstreams.listModels({ baseUrl, apiKey: upstream.key }, signal);
  expect(await list()).toEqual(['test-model']);
  expect(await list()).toEqual(['test-model']);
  expect(asked).toEqual(['rebind.test']);
  expect(upstream.requests.map(({ headers }) => headers.get('host'))).toEqual([host, host]);
  nowMs += 60_000;
  expect(await codeOf(list())).toStartWith('invalid_request');
  expect([asked.length, upstream.requests.length]).toEqual([2, 2]);
});

test('of several addresses the first one that accepts a connection gets the call', async () => {
  await using upstream = startUpstream();
  const baseUrl = upstream.url.replace('127.0.0.1', 'several.test');
  // Nothing listens at the first address; the upstream listens only at 127.0.0.1.
  const upstreams = upstreamsWith(async () => ['127.0.0.2', '127.0.0.1']);
  expect(await upstreams.listModels({ baseUrl, apiKey: upstream.key }, signal)).toEqual(['test-model']);
});

test('law 22: private addresses are called only where the administrator allows it', async () => {
  await using strict = await startBroker('broker-address-strict', { env: { ALLOW_PRIVATE_UPSTREAMS: 'false' } });
  const response = await strict.complete();
  expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('ALLOW_PRIVATE_UPSTREAMS')]);
  expect(strict.upstream.requests).toHaveLength(0);
  const closed = upstreamsWith(async () => ['10.0.0.7'], { allowPrivate: false });
  const call = closed.listModels({ baseUrl: 'https://intranet.test/v1', apiKey: 'k' }, signal);
  expect(await codeOf(call)).toContain('ALLOW_PRIVATE_UPSTREAMS');
});

test('law 22: the router never calls itself, so that no agent asks itself for ever', async () => {
  const internal = bench.router.internalUrl;
  const { port } = new URL(internal);
  const hosts = [internal, `http://localhost:${port}`, `http://[::ffff:127.0.0.1]:${port}`, `http://127.1:${port}`];
  for (const url of hosts) {
    await bench.set({ LLM_BASE_URL: `${url}/upstream/v1` });
    const response = await bench.complete();
    expect([url, response.status, await response.text()]).toEqual([url, 400, expect.stringContaining('router itself')]);
  }
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
  const own = upstreamAddresses({
    policy: { ...ALLOWED, ownPorts: [443], ownOrigin: 'https://agents.example.org' },
    lookup: async () => ['93.184.215.14'],
    now: Date.now,
  });
  for (const host of ['agents.example.org', 'AGENTS.example.org.', 'agents.example.org:443']) {
    expect([host, await codeOf(Promise.try(own.of, `https://${host}/v1`))]).toEqual([
      host,
      expect.stringContaining('router itself'),
    ]);
  }
  expect(await own.of('https://elsewhere.example.org/v1')).toEqual(['93.184.215.14']);
});

test('law 22: the router is not called at its public port either, which no setting may say', async () => {
  for (const host of ['127.0.0.1', 'localhost', 'localhost.', '127.0.0.9', '[::1]', '2130706433', '0x7f.1']) {
    await bench.set({ LLM_BASE_URL: `http://${host}:${new URL(bench.router.url).port}/v1` });
    const response = await bench.complete();
    expect([host, response.status, await response.text()]).toEqual([
      host,
      400,
      expect.stringContaining('router itself'),
    ]);
  }
  await bench.set({ LLM_BASE_URL: bench.upstream.url });
});

test('law 22: the command interface of a platform is never called, in any notation of its address', async () => {
  const platforms = () => ['http://127.0.0.1:2375', 'https://engine.test:2376', 'http://10.1.2.3:99'];
  const lookup: Lookup = async (name) =>
    name === 'engine.test' ? ['10.9.9.9'] : name === 'b.test' ? ['10.9.9.9'] : ['127.0.0.1'];
  const addresses = upstreamAddresses({ policy: { ...ALLOWED, platforms }, lookup, now: Date.now });
  const refused = [
    ...['http://127.0.0.1:2375/v1', 'http://localhost:2375/v1', 'http://127.0.0.2:2375', 'http://[::1]:2375/v1'],
    ...[
      'http://[::ffff:127.0.0.1]:2375/v1',
      'http://2130706433:2375',
      'http://0177.0.0.1:2375',
      'http://a.test:2375/v1',
    ],
    ...[
      'https://engine.test:2376',
      'https://ENGINE.test.:2376',
      'http://engine.test:2376/v1',
      'https://b.test:2376/v1',
    ],
    ...[
      'https://10.9.9.9:2376',
      'http://10.1.2.3:99/v1',
      'http://[::ffff:a01:203]:99/v1',
      'http://[64:ff9b::a01:203]:99',
    ],
  ];
  for (const url of refused) {
    expect([url, await codeOf(Promise.try(addresses.of, url))]).toEqual([
      url,
      expect.stringContaining('what runs the agents'),
    ]);
  }
  for (const url of [
    'http://127.0.0.1:11434/v1',
    'http://10.1.2.4:99/v1',
    'https://engine.test/v1',
    'http://10.1.2.3:98',
  ]) {
    expect([url, await codeOf(Promise.try(addresses.of, url))]).toEqual([url, 'none']);
  }
});

test('law 22: the engine that a driver is set to, and one of this machine beside its socket, are never called', async () => {
  const asked: string[] = [];
  const engine = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request) {
      asked.push(new URL(request.url).pathname);
      return new Response('', { status: 500 });
    },
  });
  const runner = scriptedRunner('broker-address-engine');
  const agent = memoryBackend('agent', { user_overridable_env: LLM }, runner.program);
  const boxed = { name: 'boxed', driver: 'docker', image: 'none', internal_port: 8080 };
  const env = { DRIVER_OPTIONS: JSON.stringify({ docker: { host: `tcp://127.0.0.1:${engine.port}` } }) };
  await using router = await startRouter({ backends: [agent, boxed], env });
  const alice = await router.person(PEOPLE.alice);
  runner.reply = ({ headers }) => callUpstream(runner, headers);
  for (const place of [`127.0.0.1:${engine.port}`, `localhost.:${engine.port}`, '127.0.0.1:2375', '[::1]:2376']) {
    await setValues(alice, { LLM_BASE_URL: `http://${place}/v1`, LLM_API_KEY: 'k', LLM_MODEL: 'm' });
    const body = { model: 'agent', messages: [{ role: 'user', content: 'Hi' }] };
    const answer = await alice.request('/v1/chat/completions', { method: 'POST', body });
    expect([place, answer.status, await answer.text()]).toEqual([
      place,
      400,
      expect.stringContaining('what runs the agents'),
    ]);
  }
  expect(asked.filter((path) => path.includes('completions'))).toEqual([]);
  await engine.stop(true);
});

test('law 22: a base URL that was stored before it was refused is refused when it is called', async () => {
  for (const end of ['?', '/containers/create?', '#', '/..', '\\x']) {
    const baseUrl = `${bench.upstream.url}${end}`;
    const call = bench.router.context.upstreams.listModels({ baseUrl, apiKey: bench.upstream.key }, signal);
    expect([end, await codeOf(call)]).toEqual([end, expect.stringMatching(/^invalid_request: .*plain address/)]);
    const set = await bench.alice.request('/api/me/env-overrides/LLM_BASE_URL', {
      method: 'PUT',
      body: { value: baseUrl },
    });
    expect([end, set.status]).toEqual([end, 400]);
  }
  expect(bench.upstream.requests.filter(({ path }) => path.includes('containers'))).toEqual([]);
});

/** Certificates of a CA that only the child process of the test below trusts. */
async function certify(folder: string, name: string): Promise<void> {
  const extension = `subjectAltName=DNS:${name}`;
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-subj', `/CN=${name}`];
  const isCa = name === 'ca';
  const request = isCa
    ? ['req', '-x509', ...key, '-out', 'ca.pem', '-days', '2', '-addext', 'basicConstraints=critical,CA:TRUE']
    : [
        'req',
        '-x509',
        ...key,
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-addext',
        extension,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
      ];
  const child = Bun.spawn(['openssl', ...request], { cwd: folder, stdout: 'ignore', stderr: 'pipe' });
  if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
}

test('law 22: the certificate is still checked for the name, and no connection is shared between names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-tls-'));
  for (const name of ['ca', 'good.test']) await certify(folder, name);
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { key: Bun.file(join(folder, 'good.test.key')), cert: Bun.file(join(folder, 'good.test.pem')) },
    fetch: (request) => new Response(request.headers.get('host')),
  });
  const script = `
    import { readText } from ${JSON.stringify(join(import.meta.dir, '../../router/net/body'))};
    import { open } from ${JSON.stringify(join(import.meta.dir, '../../router/net/outgoing'))};
    const said = [];
    for (const name of ['good.test', 'bad.test', 'good.test', '127.0.0.1']) {
      const url = 'https://' + name + ':${server.port}/v1';
      const outgoing = { url, method: 'GET', headers: {}, signal: AbortSignal.timeout(10_000), address: '127.0.0.1' };
      said.push(await open(outgoing).then(({ body }) => readText(body, 1_000), (error) => error.cause.code));
    }
    console.log(JSON.stringify(said));`;
  const child = Bun.spawn([process.execPath, '-e', script], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const said = await new Response(child.stdout).json();
  const refused = 'ERR_TLS_CERT_ALTNAME_INVALID';
  expect(said).toEqual([`good.test:${server.port}`, refused, `good.test:${server.port}`, refused]);
  await server.stop(true);
  await rm(folder, { recursive: true });
});
