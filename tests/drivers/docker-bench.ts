/** Support for tests of the docker driver: the conformance bench with runners that inspect their container. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Conformance } from '../../drivers/conformance';
import { callRunner, createBench, until } from '../../drivers/conformance/bench';
import docker from '../../drivers/docker/index';
import type { Driver, Json, RunnerSpec } from '../../drivers/driver';
import { engineAvailable, recorded } from '../support/engine';
import { testImage } from '../support/image';

export const HOME = '/home/agent';

export async function dockerTarget(options: Readonly<Record<string, Json>> = {}) {
  const { plugin, removeAll } = recorded(docker);
  const isThere = (await engineAvailable()) === true;
  const target: Conformance = {
    plugin,
    file: import.meta.resolve('../../drivers/docker/index'),
    options,
    homeTarget: HOME,
    ...(isThere && { image: await testImage() }),
    // With an init in front, a program that is missing is seen a moment after the start.
    broken: { image: 'agent-stack.invalid/none:1' },
    available: engineAvailable,
  };
  return { target, removeAll };
}

/** Only where there is an engine. Dispose of it in `afterAll`. */
export async function createDockerBench(options: Readonly<Record<string, Json>> = {}) {
  const { target, removeAll } = await dockerTarget(options);
  const bench = await createInsiders(target);
  return {
    ...bench,
    async dispose() {
      await bench.dispose();
      await removeAll();
    },
  };
}

/** The bench of the conformance suite, on any engine, with runners that look around. */
export async function createInsiders(target: Conformance) {
  const bench = await createBench(target);
  /** A spec of a runner that looks around. */
  const insider = async (changes: Partial<RunnerSpec> = {}): Promise<RunnerSpec> => {
    const spec = await bench.spec({ command: ['bun', `${HOME}/inside.ts`], ...changes });
    await cp(join(import.meta.dir, 'docker-inside.ts'), join(spec.home.source, 'inside.ts'));
    if (spec.user !== undefined) await Bun.$`chown -R ${spec.user} ${spec.home.source}`.quiet();
    return spec;
  };
  return {
    ...bench,
    insider,
    /** Starts one and waits until it answers. */
    async inside(driver: Driver, changes: Partial<RunnerSpec> = {}) {
      const spec = await insider(changes);
      const { handle, url } = await driver.start(spec, bench.context());
      const read = (path: string) => callRunner(url, '/read', path);
      await until('the runner answers', async () => (await read('/proc/sys/kernel/hostname')) !== undefined);
      return {
        ...{ spec, handle, url, read, containerId: String(handle.containerId) },
        reach: (address: string) => callRunner(url, '/reach', address),
        canWrite: (path: string) => callRunner(url, '/can-write', path),
        hoard: () => void callRunner(url, '/hoard'),
        uid: () => callRunner(url, '/uid'),
      };
    },
  };
}
