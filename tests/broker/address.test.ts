/** Law 22: where users can have the broker call, and that it is there where it calls. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { upstreamsService } from '../../router/broker/upstreams';
import { baseUrlProblem, type Lookup, reachOf, upstreamAddresses } from '../../router/net/address-policy';
import { type BrokerBench, startBroker } from '../support/broker';
import { startUpstream } from '../support/upstream';

let bench: BrokerBench;
beforeAll(async () => {
  bench = await startBroker('broker-address');
});
afterAll(() => bench[Symbol.asyncDispose]());

const ALLOWED = { allowPrivate: true, ownPorts: [] };

/** Upstreams whose names a test resolves. */
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

test('law 22: special addresses are never called, whatever way they are written', () => {
  const never = [
    ...['169.254.169.254', '0xa9.0xfe.0xa9.0xfe', '0251.0376.0251.0376', '2852039166', '169.254.43518', '0.0.0.0', '0'],
    ...['224.0.0.1', '255.255.255.255', '100.100.100.200', '168.63.129.16', '169.254.169.254.', '１６９.254.169.254'],
    ...[
      '[::]',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::169.254.169.254]',
      '[64:ff9b:1::a9fe:a9fe]',
    ],
    ...['[::169.254.169.254]', '[::ffff:0:169.254.169.254]', '[2002:a9fe:a9fe::1]', '[2001:0:1::1]', '[fe80::1]'],
    ...['[fd00:ec2::254]', '[ff02::1]', '[::ffff:0.0.0.0]', 'metadata', 'METADATA.google.internal.'],
  ];
  for (const host of never) {
    expect([host, baseUrlProblem(`http://${host}/v1`)]).toEqual([host, expect.stringContaining('never called')]);
  }
  for (const url of [
    'ftp://a.example/',
    'file:///etc/passwd',
    'a.example/v1',
    'http://',
    'javascript:1',
    'http://[fe80::1%25eth0]/',
  ]) {
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('http or https')]);
  }
  for (const url of ['http://u:p@a.example/', 'http://a.example/?x', 'http://a.example/#x']) {
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('plain address')]);
  }
  for (const url of ['https://api.openai.com/v1', 'http://127.0.0.1:11434/v1', 'http://[::1]/v1', 'http://10.0.0.1']) {
    expect([url, baseUrlProblem(url)]).toEqual([url, undefined]);
  }
});

test('law 22: private and loopback addresses are known as such, also inside of IPv6', () => {
  const kinds = {
    private: ['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '::1'],
    public: ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'],
  };
  const inIpv6 = ['fd12:3456::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1'];
  for (const address of [...kinds.private, ...inIpv6])
    expect([address, reachOf(address)]).toEqual([address, 'private']);
  for (const address of kinds.public) expect([address, reachOf(address)]).toEqual([address, 'public']);
});

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

test('law 22: the address that was checked is the one that is called, whatever the name means by then', async () => {
  await using upstream = startUpstream();
  const baseUrl = upstream.url.replace('127.0.0.1', 'rebind.test');
  const { host } = new URL(baseUrl);
  let nowMs = 0;
  const asked: string[] = [];
  // First the good address, and to whoever asks again the bad one: no other resolver knows this name.
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

test('of several addresses the first one where somebody is gets the call', async () => {
  await using upstream = startUpstream();
  const baseUrl = upstream.url.replace('127.0.0.1', 'several.test');
  // Nobody listens at the first one: the upstream is at 127.0.0.1 alone.
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
    lookup: async () => ['203.0.113.7'],
    now: Date.now,
  });
  expect(await codeOf(own.of('https://agents.example.org/v1'))).toContain('router itself');
  expect(await own.of('https://elsewhere.example.org/v1')).toEqual(['203.0.113.7']);
});

/** Certificates of a CA that only the child process of the test below knows. */
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
