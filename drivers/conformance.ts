/** The conformance suite: every law of the driver contract as a test. `drivers/README.md` says how to use it. */
import { afterAll, afterEach, describe, test } from 'bun:test';
import { type Bench, createBench } from './conformance/bench';
import { cases } from './conformance/cases';
import type { DriverPlugin, Json, RunnerSpec } from './driver';

/** A driver under test, and what the suite cannot know about it. */
export interface Conformance {
  readonly plugin: DriverPlugin;
  /**
   * The plugin's module, as `import.meta.resolve` or a path names it: a process of its own starts a runner with it, is
   * killed, and the runner has to be found from here.
   */
  readonly file: string;
  /** Why runners end with the process that started them, where that is so: nothing is left to be found then. */
  readonly endsWithRouter?: string;
  /** Options of the driver. Default: none. */
  readonly options?: Readonly<Record<string, Json>>;
  /** Options of the backend, given to the driver as `spec.options`. Default: none. */
  readonly backendOptions?: Readonly<Record<string, Json>>;
  /**
   * How the platform starts the suite's runner, which lies in the home as `runner.ts` and runs under Bun and Node.
   * Default: `<home>/runner.ts`, run by the image's `bun`, without an image by the Bun that runs the suite. A driver that runs no commands serves `answer` of `conformance/runner.ts`.
   */
  readonly command?: (homeTarget: string) => readonly string[];
  /** Image to run, for drivers that have images. */
  readonly image?: string;
  /** Where the runner sees its home. Default: where it is on this machine. */
  readonly homeTarget?: string;
  /** User and group of the runner, where the driver can set them. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What makes a start fail. Default: a command that does not exist. */
  readonly broken?: Partial<RunnerSpec>;
  /** True, or the reason why the driver cannot be tested on this machine. In CI (`CI=true`) a reason is a failure. */
  available(): true | string | Promise<true | string>;
}

const caseMs = 120_000;

/** Registers the suite with `bun test`. Call it at the top of a test file and await it. */
export async function conformDriver(target: Conformance): Promise<void> {
  const title = `driver ${target.plugin.name} conforms`;
  const available = await target.available();
  if (available !== true) {
    if (process.env.CI !== 'true') return test.skip(`${title} (skipped: ${available})`, () => {});
    return test(`${title} in CI`, () => {
      throw new Error(`the driver ${target.plugin.name} must be available in CI: ${available}`);
    });
  }
  const bench = await createBench(target);
  const driver = await bench.create();
  describe(title, () => {
    for (const { name, needs, run } of cases) {
      const missing = needs?.(driver, target);
      if (missing === undefined) test(name, () => dumpOnFailure(bench, run), caseMs);
      else test.skip(`${name} (${missing})`, () => {});
    }
    afterEach(() => bench.sweep(), caseMs);
    afterAll(() => bench.dispose(), caseMs);
  });
}

async function dumpOnFailure(bench: Bench, run: (bench: Bench) => Promise<void>): Promise<void> {
  try {
    await run(bench);
  } catch (error) {
    process.stderr.write(`${await bench.dump()}\n`);
    throw error;
  }
}
