/** The files by which service managers run the router, read by the programs that they are for. */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'bun';
import { runCommand } from '../support/command';

/** Only ends a failed test. */
setDefaultTimeout(60_000);

const ROOT = join(import.meta.dir, '../..');
const isContinuousIntegration = process.env.CI === 'true';
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-deploy-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

if (Bun.which('systemd-analyze') === null && !isContinuousIntegration) {
  test.skip('the unit (skipped: systemd is not installed)', () => {});
} else {
  test('systemd finds nothing wrong with the unit', async () => {
    const unit = await readFile(join(ROOT, 'docs/deploy/agent-stack.service'), 'utf8');
    const path = join(folder, 'agent-stack.service');
    // systemd wants the program to be there.
    await writeFile(path, unit.replace('ExecStart=/usr/local/bin/agent-stack', 'ExecStart=/bin/true'));
    const { exitCode, stderr } = await $`systemd-analyze verify ${path}`.quiet().nothrow();
    expect([exitCode, stderr.toString()]).toEqual([0, '']);
    // Otherwise systemd ends the runners with the router.
    expect(unit).toContain('\nKillMode=process\n');
  });
}

/** Compose as a plugin of Docker, and the program that Debian has. */
async function composes(): Promise<readonly (readonly string[])[]> {
  const hasPlugin = (await $`docker compose version`.quiet().nothrow()).exitCode === 0;
  return [
    ...(hasPlugin ? [['docker', 'compose']] : []),
    ...(Bun.which('docker-compose') === null ? [] : [['docker-compose']]),
  ];
}

const found = await composes();
if (found.length === 0 && !isContinuousIntegration) {
  test.skip('compose.yaml (skipped: neither docker compose nor docker-compose is installed)', () => {});
} else {
  describe('compose.yaml', () => {
    test('is read by every Compose of this machine, which names the variable that is missing', async () => {
      expect(found.length).toBeGreaterThan(0);
      await copyFile(join(ROOT, 'compose.yaml'), join(folder, 'compose.yaml'));
      await writeFile(join(folder, '.env'), '');
      const env = { ...process.env, HOST_STACK_ROOT: folder };
      for (const compose of found) {
        const config = (more: Record<string, string>) =>
          runCommand([...compose, 'config'], { cwd: folder, env: { ...env, ...more } });
        const read = await config({ DOCKER_GID: '999' });
        expect([compose, read.code, read.errors]).toEqual([compose, 0, '']);
        expect(read.out).toContain(folder);
        const refused = await config({});
        expect(refused.code).not.toBe(0);
        expect(refused.errors).toContain('is missing in .env');
      }
    });
  });
}
