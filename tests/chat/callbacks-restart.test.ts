/** The token of callbacks: it survives a restart of the router with its runner, and is in no output of it. */
import { expect, test } from 'bun:test';
import { withoutKeys } from '../../router/lib/ids';
import { callBack } from '../support/callbacks';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

test('after a restart of the router the adopted runner calls back with the token that it has', async () => {
  const runner = scriptedRunner('callbacks-restart');
  const backends = [memoryBackend('echo', {}, runner.program)];
  const first = await startRouter({ backends });
  const alice = await first.person(PEOPLE.alice);
  const begun = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  const { conversation } = (await begun.json()) as { conversation: { id: string } };
  await alice.request('/api/runners/echo/start', { method: 'POST' });
  const [spec] = runner.specs;
  if (!spec) throw new Error('premise: the runner was started');
  expect(withoutKeys(JSON.stringify(spec.env))).not.toContain(spec.env.AGENT_STACK_RUNNER_API_KEY ?? '');
  await first.stop();
  await using second = await startRouter({ backends, dataRoot: first.dataRoot });
  expect(second.context.runners.running()).toHaveLength(1);
  const sent = await callBack(spec, { content: 'Back.' }, { url: second.internalUrl });
  expect([sent.status, sent.body.conversation_id]).toEqual([200, conversation.id]);
  expect(runner.specs).toHaveLength(1);
});
