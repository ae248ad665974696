/** The overview: what runs, what failed, what it takes on the disk, and which versions. */
import { expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pkg from '../../package.json';
import { diskUseService } from '../../router/admin/overview/disk-use';
import { newestMigration } from '../../router/database/checks';
import { RecentAnswers } from '../../router/metrics/recent-answers';
import { ADMIN, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

test('counts runners by state, answers that failed, the disk and the versions', async () => {
  const runner = scriptedRunner('overview');
  runner.reply = ({ text }) => (text.includes('fail') ? new Response('no', { status: 500 }) : completion('Hello.'));
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const admin = await router.person(ADMIN);
  const alice = await router.person(PEOPLE.alice);
  const key = await alice.createKey();
  const ask = (content: string) =>
    router.request('/v1/chat/completions', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: { model: 'echo', messages: [{ role: 'user', content }] },
    });
  for (const content of ['hello', 'hello again', 'please fail']) await (await ask(content)).text();
  await router.context.loads.sample();
  await router.context.platforms.check(new AbortController().signal);
  const read = async () => (await admin.request('/api/admin/overview')).json();
  const seen = await until(async () => {
    const found = await read();
    return found.disk.measured_at !== null && found.runners.running === 1 && found;
  }, 'the disk is measured');
  expect(seen).toMatchObject({
    runners: { running: 1, starting: 0, queued: 0, failed: 0 },
    memory_bytes: 1_048_576,
    answers: { hour: { ended: 3, failed: 1 }, day: { ended: 3, failed: 1 } },
    disk: { complete: true },
    versions: { router: pkg.version, bun: Bun.version, schema: newestMigration, platforms: ['Memory 1.0'] },
    problems: [],
  });
  const { disk } = seen;
  expect(disk.database_bytes).toBeGreaterThan(0);
  expect(disk.data_bytes).toBeGreaterThanOrEqual(disk.homes_bytes);
  const page = await (await admin.request('/admin/overview')).text();
  for (const words of ['1 of 3 answers', 'Memory 1.0', newestMigration, pkg.version]) expect(page).toContain(words);
});

test('what homes and data take is added up without following a link, and a walk that is too long says so', async () => {
  const dataRoot = await mkdtemp(join(tmpdir(), 'agent-stack-disk-use-'));
  const homesRoot = join(dataRoot, 'homes');
  await mkdir(join(homesRoot, 'a/deep'), { recursive: true });
  await writeFile(join(homesRoot, 'a/deep/file'), new Uint8Array(100_000).fill(1));
  await writeFile(join(dataRoot, 'router.db'), new Uint8Array(50_000).fill(1));
  await symlink('/', join(homesRoot, 'a/root'));
  await symlink('..', join(homesRoot, 'a/up'));
  const clocks = { now: Date.now, steady: Date.now };
  const measured = async (filesMax: number) => {
    using service = diskUseService({ dataRoot, homesRoot, ...clocks, filesMax });
    return await until(() => service.look(), 'it is measured');
  };
  const whole = await measured(1_000);
  expect(whole.isWhole).toBe(true);
  expect(whole.homesBytes).toBeWithin(100_000, 120_000);
  expect(whole.dataBytes - whole.homesBytes).toBeWithin(50_000, 70_000);
  expect((await measured(2)).isWhole).toBe(false);
  await rm(dataRoot, { recursive: true });
});

test('answers are counted for an hour and for a day, and the clock may rest for long', () => {
  let nowMs = 1_700_000_000_000;
  const answers = new RecentAnswers(() => nowMs);
  answers.count(true);
  answers.count(false);
  nowMs += 50 * 60_000;
  answers.count(false);
  expect(answers.counts()).toEqual({ hour: { ended: 3, failed: 1 }, day: { ended: 3, failed: 1 } });
  nowMs += 15 * 60_000;
  expect(answers.counts()).toEqual({ hour: { ended: 1, failed: 0 }, day: { ended: 3, failed: 1 } });
  nowMs += 23 * 3_600_000;
  expect(answers.counts().day).toEqual({ ended: 1, failed: 0 });
  nowMs += 400 * 86_400_000;
  expect(answers.counts()).toEqual({ hour: { ended: 0, failed: 0 }, day: { ended: 0, failed: 0 } });
});
