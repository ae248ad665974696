/** The doctor knows the usual faults of agents by the lines that they print. */
import { expect, test } from 'bun:test';
import { failuresOf, faultsIn } from '../../scripts/doctor/last-words';
import { memoryBackend, PEOPLE, program, startRouter, until } from '../support/router';

test.each([
  ['Refusing to bind gateway to lan without auth.', 'OPENCLAW_GATEWAY_TOKEN'],
  ['Missing config. Run `openclaw setup` or set gateway.mode=local (or pass --allow-unconfigured).', 'openclaw-home'],
  ['ERROR gateway.platforms.api_server: [Api_Server] Refusing to start: API_SERVER_KEY is required', 'API_SERVER_KEY'],
  ["chown: cannot read directory '/opt/data': Permission denied", 'CHOWN'],
  ['Invalid configuration: /home/nanobot/.nanobot/config.json', 'config.json of its seed'],
  ['nanobot must not run as root: start it with --user 1000:1000.', '"user": "1000:1000"'],
  ['/home/nanobot/.nanobot is not writable for user 1000. On the host: chown -R 1000:1000 <the home>.', 'chown_uid'],
  ['The agent stopped: it ran out of memory.', 'limits'],
])('%s', (line, remedy) => {
  const found = faultsIn(`something\n${line}\nsomething else`);
  expect(found).toHaveLength(1);
  expect(found[0]?.remedy).toContain(remedy);
});

test('an output without a known fault has none', () => {
  expect(faultsIn('gateway: starting\nready\nWARNING: nothing of importance')).toEqual([]);
});

test('the last lines of a runner that failed to start are found in the answer that waited for it', async () => {
  program('keyless', (_spec, runtime) => {
    runtime.say('Refusing to bind gateway to lan without auth.');
    queueMicrotask(() => runtime.exit(78));
    return () => new Response(null, { status: 503 });
  });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, 'keyless')] });
  const alice = await router.person(PEOPLE.alice);
  const backend = router.context.backends.find('echo');
  if (!backend) throw new Error('premise: echo is a backend');
  const agent = await router.context.agents.defaultOf(alice.id, backend);
  const { id } = await router.context.conversations.create(agent);
  const form = { method: 'POST', body: new URLSearchParams({ text: 'Hello.' }) };
  await alice.request(`/conversations/${id}/messages`, form);
  const { databasePath } = router.context.config;
  await until(() => failuresOf(databasePath, 'echo').length > 0, 'the answer has failed');
  expect(faultsIn(failuresOf(databasePath, 'echo').join('\n'))).toHaveLength(1);
  expect(failuresOf(databasePath, 'other')).toEqual([]);
});
