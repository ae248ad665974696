/** Homes of deleted agents, when their time is over. */
import { afterAll, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyTrash, moveToTrash } from '../../router/agents/trash';

const folder = await mkdtemp(join(tmpdir(), 'agent-stack-trash-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function deletedHome(homesRoot: string, agentId: string): Promise<string> {
  await mkdir(join(homesRoot, agentId, 'deep'), { recursive: true });
  await writeFile(join(homesRoot, agentId, 'deep/file'), 'x');
  return (await moveToTrash(homesRoot, agentId)) ?? '';
}

test('a home is deleted when it was in the trash for its time, and no earlier; homes in use stay', async () => {
  const homesRoot = join(folder, 'homes');
  await mkdir(join(homesRoot, 'in-use'), { recursive: true });
  const path = await deletedHome(homesRoot, 'agent-1');
  await emptyTrash(homesRoot, Date.now() - 60_000);
  expect(existsSync(join(path, 'deep/file'))).toBe(true);
  await emptyTrash(homesRoot, Date.now() + 60_000);
  expect(existsSync(path)).toBe(false);
  expect((await readdir(homesRoot)).sort()).toEqual(['.trash', 'in-use']);
});

test('law 7: no link of a home is followed, and what has no time in its name stays', async () => {
  const homesRoot = join(folder, 'linked');
  const outside = join(folder, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'kept'), 'x');
  const path = await deletedHome(homesRoot, 'agent-2');
  await symlink(outside, join(path, 'link'));
  await symlink(outside, join(homesRoot, '.trash/agent-3-20200101T000000000Z'));
  await mkdir(join(homesRoot, '.trash/by-hand'));
  await emptyTrash(homesRoot, Date.now() + 60_000);
  expect(await readdir(join(homesRoot, '.trash'))).toEqual(['by-hand']);
  expect(await readdir(outside)).toEqual(['kept']);
});

test('without a trash there is nothing to do', async () => {
  await emptyTrash(join(folder, 'nowhere'), Date.now());
});
