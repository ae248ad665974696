/** How the end of a container is reported: the cause of the agent's end, and not what happened beside it. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../drivers/conformance/bench';
import type { Driver, Handle, Health } from '../../drivers/driver';
import { docker, requireEngine } from '../support/engine';
import { createDockerBench, HOME } from './docker-bench';

/** Only ends a failed test: containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const FOREIGN = process.arch === 'x64' ? 'arm64' : 'amd64';
/** Allocates memory until it is killed. */
const HOARD = 'const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1));';
/** Ends with the exit code 2 when the home has a file for it: an end during the start would be another error. */
const ENDS_WHEN_TOLD = `while (!(await Bun.file('${HOME}/end').exists())) await Bun.sleep(20); process.exit(2)`;
/** The header of a 64-bit ELF file for RISC-V. */
const FOREIGN_PROGRAM = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xf3, 0]),
  Buffer.alloc(44),
]);

if (await requireEngine('how containers end')) {
  const bench = await createDockerBench();
  const image = `agent-stack-test-foreign-${crypto.randomUUID().slice(0, 8)}:1`;
  afterEach(() => bench.sweep(), 60_000);
  afterAll(async () => {
    await bench.dispose();
    await docker
      .getImage(image)
      .remove({ force: true })
      .catch(() => undefined);
  }, 60_000);

  const endOf = async (driver: Driver, handle: Handle): Promise<Health> => {
    const inspect = () => driver.inspect(handle, AbortSignal.timeout(30_000));
    await until('it has ended', async () => (await inspect()).state === 'exited');
    return inspect();
  };

  describe('how containers end', () => {
    const limits = { memoryBytes: 134_217_728 };

    test('a child that had no memory left is not the end of the agent, which ends with its own exit code', async () => {
      const driver = await bench.create();
      const script = `await Bun.spawn(['bun', '-e', ${JSON.stringify(HOARD)}]).exited; process.exit(3);`;
      const spec = await bench.spec({ command: ['bun', '-e', script], limits });
      const { handle } = await driver.start(spec, bench.context());
      expect(await endOf(driver, handle)).toEqual({ state: 'exited', exitCode: 3 });
    });

    test('the same agent that is out of memory itself is reported as such', async () => {
      const driver = await bench.create();
      const { handle } = await driver.start(
        await bench.spec({ command: ['bun', '-e', HOARD], limits }),
        bench.context(),
      );
      expect(await endOf(driver, handle)).toEqual({ state: 'exited', exitCode: 137, outOfMemory: true });
    });

    test('SIGKILL from elsewhere is not taken for a lack of memory', async () => {
      const driver = await bench.create();
      const { handle, containerId } = await bench.inside(driver, { limits });
      await docker.getContainer(containerId).kill();
      expect(await endOf(driver, handle)).toEqual({ state: 'exited', exitCode: 137 });
    });

    test('an image for another architecture is named with the end of its agent, and only then', async () => {
      await importForeign(image);
      const driver = await bench.create();
      const failing = await bench.spec({ image, command: ['bun', '-e', ENDS_WHEN_TOLD] });
      const { handle } = await driver.start(failing, bench.context());
      await writeFile(join(failing.home.source, 'end'), '');
      expect(await endOf(driver, handle)).toEqual({
        state: 'exited',
        exitCode: 2,
        reason: expect.stringContaining(`its image is made for ${FOREIGN}, and this machine is `),
      });
      // An emulator may be able to run it.
      const working = await bench.ready(driver, await bench.spec({ image }));
      expect((await driver.inspect(working.handle, AbortSignal.timeout(30_000))).state).toBe('running');
      const broken = await bench.spec({ image, command: [`${HOME}/foreign`], options: { init: false } });
      await writeFile(join(broken.home.source, 'foreign'), FOREIGN_PROGRAM, { mode: 0o755 });
      const error = await driver.start(broken, bench.context()).then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error).toMatchObject({ fault: 'start_failed', message: expect.stringContaining(FOREIGN) });
    });
  });

  /** The test image with another architecture in its metadata. */
  async function importForeign(name: string): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'agent-stack-foreign-'));
    try {
      const saved = (await docker.getImage(bench.target.image ?? '').get()) as unknown as AsyncIterable<Uint8Array>;
      const tar = Bun.spawn(['tar', '-x', '-C', directory], { stdin: 'pipe' });
      for await (const piece of saved) {
        tar.stdin.write(piece);
        await tar.stdin.flush();
      }
      tar.stdin.end();
      await tar.exited;
      const [manifest] = (await Bun.file(join(directory, 'manifest.json')).json()) as [{ Config: string }];
      const config = join(directory, manifest.Config);
      await Bun.write(config, JSON.stringify({ ...(await Bun.file(config).json()), architecture: FOREIGN }));
      await Bun.write(join(directory, 'manifest.json'), JSON.stringify([{ ...manifest, RepoTags: [name] }]));
      await rm(join(directory, 'repositories'), { force: true });
      const file = join(directory, 'foreign.tar');
      await Bun.$`tar -C ${directory} --exclude=foreign.tar -cf ${file} .`.quiet();
      for await (const _ of await docker.loadImage(file)) {
        // Only the end of the stream matters.
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
