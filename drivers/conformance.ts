/** The conformance suite: tests every law of the driver contract. `drivers/README.md` says how to use it. */
import { afterAll, afterEach, describe, test } from 'bun:test';
import { type Bench, createBench } from './conformance/bench';
import { cases } from './conformance/cases';
import type { DriverPlugin, Json, RunnerSpec } from './driver';

/** The driver under test, and the facts about it that the suite needs. */
export interface Conformance {
  readonly plugin: DriverPlugin;
  /**
   * URL or path of the plugin's module, for example from `import.meta.resolve`. The suite imports it in a second process,
   * starts a runner there and kills the process; then the driver in this process must find the runner.
   */
  readonly file: string;
  /**
   * Set this when runners end with the process that started them: the reason. The suite then skips the case that looks
   * for them.
   */
  readonly endsWithRouter?: string;
  /** Options of the driver. Missing ones get the defaults of their schema, as from the router. */
  readonly options?: Readonly<Record<string, Json>>;
  /** Options of the backend, given to the driver as `spec.options`, with the defaults of their schema. */
  readonly backendOptions?: Readonly<Record<string, Json>>;
  /**
   * Command that runs the suite's runner on the platform. The suite copies it into the home as `runner.ts`; it runs under
   * Bun and Node. Default: `<home>/runner.ts`, run by the `bun` of the image, or without an image by the Bun that runs the
   * suite. A driver that runs no commands serves the function `answer` of `conformance/runner.ts`.
   */
  readonly command?: (homeTarget: string) => readonly string[];
  /** Image to run, for drivers that have images. */
  readonly image?: string;
  /** Path of the home inside the runner. Default: its path on this machine. */
  readonly homeTarget?: string;
  /** User and group of the runner, for drivers that can set them. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Changes to the spec that make a start fail. Default: a command that does not exist. */
  readonly broken?: Partial<RunnerSpec>;
  /**
   * Returns true, or the reason why the driver cannot be tested on this machine. In CI (`CI=true`) a reason fails the
   * suite.
   */
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
