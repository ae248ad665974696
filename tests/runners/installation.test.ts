/**
 * An installation belongs to the place of its data: routers on copies of the data do not touch each other's runners.
 */
import { expect, test } from 'bun:test';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryPlatform } from '../../drivers/memory';
import { PEOPLE, startRouter } from '../support/router';
import { list, say, start, theRunner } from '../support/runners';

async function elsewhere(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-elsewhere-'));
  await rm(folder, { recursive: true });
  return folder;
}

test('law 6: a router that is started on a copy of the data touches no runner of the first one, and has its own', async () => {
  await using first = await startRouter();
  const alice = await first.person(PEOPLE.alice);
  await start(alice);
  const runnerId = theRunner(first).spec.id;
  const copy = await elsewhere();
  await cp(first.dataRoot, copy, { recursive: true });
  await using second = await startRouter({ dataRoot: copy });
  expect(second.context.installationId).not.toBe(first.context.installationId);
  await second.context.adopt();
  expect(theRunner(first).spec.id).toBe(runnerId);
  const again = await second.person(PEOPLE.alice);
  expect(await list(again)).toEqual([]);
  expect((await say(again, 'hello')).status).toBe(200);
  expect((await say(alice, 'hello')).status).toBe(200);
  expect(theRunner(first).spec.id).toBe(runnerId);
  expect(theRunner(second).spec.home.source).toStartWith(copy);
});

test('a copy keeps the id that it got, and the first router keeps its own', async () => {
  const first = await startRouter();
  await first.stop();
  const copy = await elsewhere();
  await cp(first.dataRoot, copy, { recursive: true });
  const second = await startRouter({ dataRoot: copy });
  await second.stop();
  await using third = await startRouter({ dataRoot: copy });
  expect(third.context.installationId).toBe(second.context.installationId);
  await using again = await startRouter({ dataRoot: first.dataRoot });
  expect(again.context.installationId).toBe(first.context.installationId);
});

test('data that was moved keeps its id, and runners that were started for the old place are ended, not adopted', async () => {
  const first = await startRouter();
  await start(await first.person(PEOPLE.alice));
  await first.stop();
  const moved = await elsewhere();
  await rename(first.dataRoot, moved);
  await using second = await startRouter({ dataRoot: moved });
  expect(second.context.installationId).toBe(first.context.installationId);
  expect(memoryPlatform(first.context.installationId).runners.size).toBe(0);
  const alice = await second.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  expect(theRunner(second).spec.home.source).toStartWith(moved);
});

test('a router in a container cannot see where its data was, and takes no runners that may be of another', async () => {
  const first = await startRouter({ env: { HOST_STACK_ROOT: '/srv/first' } });
  await start(await first.person(PEOPLE.alice));
  await first.stop();
  await using second = await startRouter({ dataRoot: first.dataRoot, env: { HOST_STACK_ROOT: '/srv/second' } });
  expect(second.context.installationId).not.toBe(first.context.installationId);
  const { runners } = memoryPlatform(first.context.installationId);
  expect(runners.size).toBe(1);
  for (const runner of runners.values()) await runner.close();
});
