/** A disk that is full or read-only, and a damaged database: each is said in words, and nothing that was accepted is lost. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'bun';
import { makeBackup, restoreBackup } from '../../router/backup/backup';
import { repositoryRoot } from '../../router/config/root';
import { openDatabase } from '../../router/database/database';
import { startRouterProcess } from '../support/process';
import { SETTINGS, until } from '../support/router';
import { newestAnswer, sendMessage, startConversation, watchAnswer } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const SIZE = '24m';
const canMount = process.platform === 'linux' && process.getuid?.() === 0;

let disk: string;
beforeEach(async () => {
  disk = await mkdtemp(join(tmpdir(), 'agent-stack-disk-'));
  if (canMount) await $`mount -t tmpfs -o size=${SIZE} agent-stack-test ${disk}`.quiet();
});
afterEach(async () => {
  // Lazily: a runner may still be in its home.
  if (canMount) await $`umount --lazy ${disk}`.quiet().nothrow();
  await rm(disk, { recursive: true, force: true });
});

async function tempFolder() {
  const path = await mkdtemp(join(tmpdir(), 'agent-stack-image-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** Fills the disk to its last byte, and returns what empties it again. */
function fill(): () => Promise<void> {
  const path = join(disk, 'filler');
  const file = openSync(path, 'w');
  try {
    for (let bytes = 1_048_576; bytes >= 1; ) {
      try {
        if (writeSync(file, new Uint8Array(bytes)) < bytes) bytes = Math.floor(bytes / 2);
      } catch {
        bytes = Math.floor(bytes / 2);
      }
    }
  } finally {
    closeSync(file);
  }
  return () => rm(path);
}

/** Makes a file with a file system of its own, which can fail as a disk does, and mounts it. */
async function mountImage(image: string): Promise<void> {
  await $`umount ${disk}`.quiet();
  await $`truncate -s 64M ${image}`.quiet();
  await $`mkfs.ext4 -q -F ${image}`.quiet();
  await $`mount -o loop ${image} ${disk}`.quiet();
}

if (!canMount && process.env.CI !== 'true') {
  test.skip('disks (skipped: mounting a small one needs root on Linux)', () => {});
} else {
  describe('disks', () => {
    test('on a full disk new messages are refused in words, an answer under way is kept, and all goes on when there is room', async () => {
      await using router = await startRouterProcess({ dataRoot: disk });
      const { pid } = router;
      const alice = await router.signIn();
      const earlier = await startConversation(alice, 'Demo', 'echo said before');
      await until(async () => (await newestAnswer(alice, earlier)).status === 'done', 'it is answered');
      const words = Array.from({ length: 40 }, (_, index) => `w${index}`).join(' ');
      const growing = await startConversation(alice, 'Demo', `slow ${words}`);
      await watchAnswer(alice, growing).next();

      const empty = fill();
      await until(() => router.output().includes('"answer.save_failed"'), 'the answer cannot be saved');
      const send = (accept: string) =>
        alice.request(`${earlier}/messages`, {
          method: 'POST',
          headers: { accept },
          body: new URLSearchParams({ text: 'echo more '.repeat(15_000) }),
        });
      const refused = await send('application/json');
      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({
        code: 'storage_failed',
        detail: expect.stringMatching(/^The router's database cannot be used: its disk .*full\.$/),
      });
      expect(await (await send('text/html')).text()).toContain('full');
      const ready = await fetch(`${router.url}/readyz`);
      expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('full')]);
      // What was there can be read.
      expect(await newestAnswer(alice, earlier)).toMatchObject({ status: 'done', text: 'said before' });
      await until(() => router.output().split('"answer.save_failed"').length > 3, 'it is tried again');

      await empty();
      await until(async () => (await newestAnswer(alice, growing)).status === 'done', 'the answer is saved', 30_000);
      expect((await newestAnswer(alice, growing)).text).toBe(words);
      await sendMessage(alice, earlier, 'echo and on');
      await until(async () => (await newestAnswer(alice, earlier)).text === 'and on', 'it is answered');
      expect(router.pid).toBe(pid);
      await alice.request('/api/runners/demo', { method: 'DELETE' });
    });

    test('a backup for which there is no room, and a restore, say so and leave nothing behind', async () => {
      await using folder = await tempFolder();
      const at = (root: string) => ({
        ...{ databasePath: join(root, 'router.db'), homesRoot: join(root, 'homes') },
        attachmentsRoot: join(root, 'attachments'),
      });
      const places = at(folder.path);
      openDatabase(places.databasePath).close();
      await mkdir(places.homesRoot);
      await writeFile(join(places.homesRoot, 'large'), randomBytes(30_000_000));
      const [here, there] = [join(folder.path, 'backups'), join(disk, 'backups')];
      await expect(makeBackup(places, there)).rejects.toThrow(`There is no room for a backup in ${there}.`);
      expect(await readdir(there)).toEqual([]);
      const target = at(join(disk, 'restored'));
      const restored = restoreBackup(await makeBackup(places, here), target);
      await expect(restored).rejects.toThrow(
        `Nothing was restored, because there is no room for it in ${target.homesRoot}. Make room first.`,
      );
      expect(existsSync(target.databasePath)).toBe(false);
      expect(await readdir(target.homesRoot)).toEqual([]);
    });

    test.skipIf(Bun.which('setpriv') === null)('the database of another user is refused in words', async () => {
      const path = join(disk, 'router.db');
      const { db, close } = openDatabase(path);
      db.$client.run(
        "INSERT INTO users (id, email, name, slug, role, password_hash, created_at_ms) VALUES ('a', 'a@example.org', 'A', 'a', 'admin', '', 0)",
      );
      close();
      await chmod(path, 0o644);
      await chown(path, 65_534, 65_534);
      const asOwner = ['setpriv', '--bounding-set=-dac_override,-dac_read_search,-fowner,-chown', process.execPath];
      const child = Bun.spawn([...asOwner, join(repositoryRoot, 'scripts/admin.ts'), 'reset-password'], {
        env: { ...SETTINGS, STACK_DATA_ROOT: disk },
        ...{ stdout: 'ignore', stderr: 'pipe' },
      });
      expect(await new Response(child.stderr).text()).toBe(
        "The database cannot be used: it or its disk is read-only. Mount its disk for writing, or give the data folder to the router's user.\n",
      );
      expect(await child.exited).toBe(1);
    });

    test('a router that ends on a full disk has what was accepted when it starts again with room', async () => {
      await using router = await startRouterProcess({ dataRoot: disk });
      const alice = await router.signIn();
      const path = await startConversation(alice, 'Demo', `slow ${'word '.repeat(300)}`);
      await watchAnswer(alice, path).next();
      const empty = fill();
      await until(() => router.output().includes('"answer.save_failed"'), 'the answer cannot be saved');
      await router.kill('SIGKILL');
      await empty();
      await router.start();
      const page = await (await alice.request(path)).text();
      expect(page).toContain('slow word word');
      expect((await newestAnswer(alice, path)).status).toBe('failed');
      await alice.request('/api/runners/demo', { method: 'DELETE' });
    });

    test('a router that is stopped on a full disk ends in order, and its log names the answers that could not be saved', async () => {
      await using router = await startRouterProcess({ dataRoot: disk });
      const alice = await router.signIn();
      const path = await startConversation(alice, 'Demo', `slow ${'word '.repeat(300)}`);
      await watchAnswer(alice, path).next();
      const empty = fill();
      await until(() => router.output().includes('"answer.save_failed"'), 'the answer cannot be saved');
      expect(await router.kill('SIGTERM')).toBe(0);
      const said = router.output().split('\n').slice(-20).join('\n');
      expect(said).toMatch(new RegExp(`"conversation":"${path.split('/').at(-1)}","event":"answer.not_saved"`));
      expect(said).toContain('"router.stopped"');
      await empty();
      await router.start();
      expect((await newestAnswer(alice, path)).status).toBe('failed');
      await alice.request('/api/runners/demo', { method: 'DELETE' });
    });

    test('a disk that turns read-only under the router is said in words, and what was accepted is there after its repair', async () => {
      await using folder = await tempFolder();
      const image = join(folder.path, 'disk.img');
      await mountImage(image);
      await using router = await startRouterProcess({ dataRoot: disk });
      const { pid } = router;
      const alice = await router.signIn();
      const earlier = await startConversation(alice, 'Demo', 'echo said before');
      await until(async () => (await newestAnswer(alice, earlier)).status === 'done', 'it is answered');
      const growing = await startConversation(alice, 'Demo', `slow ${'word '.repeat(300)}`);
      await watchAnswer(alice, growing).next();

      // As after a power cut, what the kernel has not yet written to the device is gone: at most some seconds.
      await $`sync -f ${disk}`.quiet();
      // What the kernel does after an error of the device. It refuses a plain remount while the database is open.
      await $`mount -o remount,abort ${disk}`.quiet().nothrow();
      await until(() => router.output().includes('"answer.save_failed"'), 'the answer cannot be saved');
      const refused = await alice.request(`${earlier}/messages`, {
        method: 'POST',
        headers: { accept: 'application/json' },
        body: new URLSearchParams({ text: 'echo more' }),
      });
      expect([refused.status, await refused.json()]).toMatchObject([
        503,
        {
          code: 'storage_failed',
          detail: expect.stringContaining('its disk cannot be read or written'),
        },
      ]);
      const ready = await until(async () => {
        const response = await fetch(`${router.url}/readyz`);
        return response.status === 503 && response.text();
      }, 'it is not ready');
      expect(ready).toContain('read-only');
      // What was there can be read, by the same process.
      expect(await newestAnswer(alice, earlier)).toMatchObject({ status: 'done', text: 'said before' });
      expect((await fetch(`${router.url}/healthz`)).status).toBe(200);
      expect(router.pid).toBe(pid);

      await alice.request('/api/runners/demo', { method: 'DELETE' });
      await router.kill('SIGKILL');
      await until(async () => (await $`umount ${disk}`.quiet().nothrow()).exitCode === 0, 'nobody uses the disk');
      // 1: errors were corrected.
      expect((await $`e2fsck -fy ${image}`.quiet().nothrow()).exitCode).toBeLessThanOrEqual(1);
      await $`mount -o loop ${image} ${disk}`.quiet();
      await router.start();
      expect(await (await fetch(`${router.url}/readyz`)).json()).toMatchObject({ checks: { database: 'ok' } });
      expect(await newestAnswer(alice, earlier)).toMatchObject({ status: 'done', text: 'said before' });
      expect(await (await alice.request(growing)).text()).toContain('slow word word');
      await sendMessage(alice, earlier, 'echo and on');
      await until(async () => (await newestAnswer(alice, earlier)).text === 'and on', 'it is answered');
      await alice.request('/api/runners/demo', { method: 'DELETE' });
    });

    test('a router on a read-only disk does not start, and says why', async () => {
      await using router = await startRouterProcess({ dataRoot: disk });
      await router.kill('SIGTERM');
      await $`mount -o remount,ro ${disk}`.quiet();
      await expectRefused(router, /read-only|cannot be opened/);
      await $`mount -o remount,rw ${disk}`.quiet();
      await router.start();
    });
  });
}

test('a router with a damaged table does not start, and says what to do', async () => {
  await using router = await startRouterProcess();
  await router.kill('SIGTERM');
  const path = join(router.dataRoot, 'router.db');
  let place: { page: number; size: number };
  {
    using database = new Database(path);
    database.run('PRAGMA wal_checkpoint(TRUNCATE)');
    const { page } = database.query("SELECT rootpage AS page FROM sqlite_schema WHERE name = 'runners'").get() as {
      page: number;
    };
    const { page_size: size } = database.query('PRAGMA page_size').get() as { page_size: number };
    place = { page, size };
  }
  {
    await using file = await open(path, 'r+');
    await file.write(new Uint8Array(place.size).fill(0xff), 0, place.size, (place.page - 1) * place.size);
  }
  await expectRefused(router, /it is damaged\. .*restore a backup/);
});

/** Starts the router, which must end with a sentence and without a stack. */
async function expectRefused(router: { start(): Promise<void>; output(): string }, words: RegExp): Promise<void> {
  const before = router.output().length;
  const thrown = await router.start().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(String(thrown)).toContain('The router ended with 1');
  await until(() => words.test(router.output().slice(before)), `it says ${words}`);
  expect(router.output().slice(before)).not.toContain('    at ');
}
