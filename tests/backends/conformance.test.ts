/** Tests every backend of the repository against the contract of `backends/README.md`. */
import { expect, test } from 'bun:test';
import { conformBackend, type Entry, type Model, type Running } from '../../backends/conformance';
import shipped from '../../backends.json';
import { startRouter } from '../support/router';
import { shippedEntries, withTwin } from '../support/runtimes';
import { startAgent } from './agent-process';

/** Nothing is asked of it. */
const LLM = { LLM_BASE_URL: 'http://127.0.0.1:9/v1', LLM_API_KEY: 'none', LLM_MODEL: 'none' };

/** The entry that the README shows. */
const readme = await Bun.file(`${import.meta.dir}/../../backends/README.md`).text();
const parrot: Entry = JSON.parse(/```json\n([\s\S]*?)```/.exec(readme)?.[1] ?? '');

for (const entry of [parrot, ...shipped.filter(({ driver }) => driver === 'process')])
  conformBackend({ entry: entry as Entry });
for (const entry of shippedEntries) {
  conformBackend({
    entry: entry as unknown as Entry,
    start: (model) => startTwin(entry, model),
    exceptions: {
      'Access key: without one': 'a twin is given its key by the router',
      'Leave: SIGTERM': 'a twin is no process',
    },
  });
}

// On Linux all of 127.0.0.0/8 is this machine.
test.if(process.platform === 'linux')(
  'without HOST, as in a container, an agent listens on all addresses',
  async () => {
    for (const name of ['parrot', 'demo', 'direct']) {
      await using agent = await startAgent(name, { HOST: '', ...LLM });
      const elsewhere = agent.url.replace('127.0.0.1', '127.0.0.2');
      expect([name, (await fetch(`${elsewhere}/healthz`)).status]).toEqual([name, 200]);
      // There, too, only with the key.
      expect([name, (await fetch(`${elsewhere}/v1/models`)).status]).toEqual([name, 401]);
    }
  },
);

/** A twin started by a router, which is how it gets its rendered home; it is asked without the router. */
async function startTwin(entry: Record<string, unknown>, model: Model): Promise<Running> {
  const router = await startRouter({ backends: [withTwin(entry)] });
  const person = await router.person({ email: 'ada@example.org', name: 'Ada', password: 'ada-secret-12' });
  const values = { LLM_BASE_URL: model.url, LLM_API_KEY: model.key, LLM_MODEL: model.name };
  await person.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  const backend = router.context.backends.find(String(entry.name));
  if (!backend) throw new Error(`premise: ${entry.name} is a backend`);
  const agent = await router.context.agents.defaultOf(person.id, backend);
  const lease = await router.context.runners.lease(agent, { signal: new AbortController().signal });
  return {
    url: lease.runner.url,
    accessKey: lease.runner.accessKey,
    async [Symbol.asyncDispose]() {
      lease.end();
      await router[Symbol.asyncDispose]();
    },
  };
}

test('the parrot of the README answers through the router, without a model', async () => {
  const cmd = ['bun', `${import.meta.dir}/../../backends/parrot/main.ts`];
  await using router = await startRouter({ backends: [{ ...parrot, cmd }] });
  const person = await router.person({ email: 'ada@example.org', name: 'Ada', password: 'ada-secret-12' });
  const body = { model: 'parrot', messages: [{ role: 'user', content: 'Pieces of eight!' }] };
  const headers = { authorization: `Bearer ${await person.createKey()}` };
  const response = await router.request('/v1/chat/completions', { method: 'POST', headers, body });
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Pieces of eight!' } }] });
});
