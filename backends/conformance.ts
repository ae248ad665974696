/**
 * The conformance suite of backends: tests what the router expects of the runner of any agent. `backends/README.md` has
 * the contract and says how to use the suite.
 */
import { afterAll, beforeAll, describe, test } from 'bun:test';
import { join, resolve } from 'node:path';
import type { Entry } from './conformance/asking';
import { cases, type Running, statusesUntilReady } from './conformance/cases';
import { startCommand } from './conformance/command';
import { type Model, startModel } from './conformance/model';

export type { Entry } from './conformance/asking';
export type { Running } from './conformance/cases';
export type { Model } from './conformance/model';

export interface BackendUnderTest {
  /** The entry of the backend in `backends.json`. */
  readonly entry: Entry & { readonly api_key_env?: string; readonly seed_subdir?: string };
  /**
   * Starts a runner in an empty home, with `model` in place of the router's broker. Resolves when the runner runs; it need
   * not be ready. Default: runs the entry's `cmd` as a process of this machine, with a copy of its seed.
   */
  readonly start?: (model: Model) => Promise<Running>;
  /**
   * Beginning of a case's name → the reason why the case does not apply to this runner. The case is skipped with that
   * reason.
   */
  readonly exceptions?: Readonly<Record<string, string>>;
}

const ACCESS_KEY = 'conformance-access-key';
const CASE_MS = 120_000;
const SEEDS = resolve(import.meta.dir, '../seeds');

/** Registers the suite with `bun test`. Call it at the top of a test file. */
export function conformBackend({ entry, start, exceptions = {} }: BackendUnderTest): void {
  const { api_key_env: apiKeyEnv = 'OPENAI_API_KEY', seed_subdir: seed } = entry;
  const startOne = (accessKey = ACCESS_KEY) =>
    start?.(model) ??
    startCommand(entry, model, { accessKey, apiKeyEnv, ...(seed !== undefined && { seed: join(SEEDS, seed) }) });
  let model: Model;
  let shared: Promise<Running> | undefined;
  const ready = () => {
    shared ??= startOne().then(async (runner) => {
      await statusesUntilReady(entry, runner);
      return runner;
    });
    return shared;
  };
  describe(`backend ${entry.name} conforms`, () => {
    beforeAll(() => {
      model = startModel();
    });
    afterAll(async () => {
      await (await shared?.catch(() => undefined))?.[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
    }, CASE_MS);
    for (const { name, needs, run } of cases) {
      const exception = Object.entries(exceptions).find(([beginning]) => name.startsWith(beginning))?.[1];
      const missing = exception ?? needs?.(entry);
      if (missing !== undefined) test.skip(`${name} (${missing})`, () => {});
      else test(name, () => run({ entry, model, ready, start: startOne }), CASE_MS);
    }
  });
}
