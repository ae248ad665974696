/** The bench: makes drivers, specs and runners for the cases of the conformance suite, and removes all of them afterwards. */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TObject } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { pluginProblems } from '../check';
import type { Conformance } from '../conformance';
import { createDriver, disposeDriver } from '../create';
import {
  type Driver,
  INSTALLATION_LABEL,
  type Json,
  type RunnerSpec,
  type StartContext,
  type Started,
} from '../driver';

/** A value in the environment of every runner. The case of law 9 checks that no error, log or process title contains it. */
export const SECRET = 'sk-conformance-never-to-be-seen';
/**
 * The second of law 12, as 20 ticks of 50 ms. Counting ticks and not time: on a loaded machine both suite and driver
 * are slower.
 */
const abortTicks = 20;
const tickMs = 50;
const dumpMs = 5_000;
const conditionMs = 30_000;

export interface Bench {
  readonly target: Conformance;
  readonly installationId: string;
  readonly foreignInstallationId: string;
  /** All log lines and progress steps of the drivers so far. */
  readonly events: Json[];
  /** Creates a new driver, as a restart of the router does. */
  create(installationId?: string): Promise<Driver>;
  /** Makes a spec with a new home and a new id. */
  spec(changes?: Partial<RunnerSpec>): Promise<RunnerSpec>;
  context(signal?: AbortSignal): StartContext;
  /** Starts a runner and waits until it answers HTTP with its own id. */
  ready(driver: Driver, spec: RunnerSpec): Promise<Started>;
  /** Starts the runner from a second process, then kills that process, like a router that crashes right after the start. */
  startElsewhere(spec: RunnerSpec): Promise<Started>;
  dump(): Promise<string>;
  /** Stops the runners that a case has left behind, found by their label. */
  sweep(): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Makes a bench in a new temporary directory. `dispose` removes the directory.
 * @param disposeMs how long a driver may take to be let go; by default as long as the router waits for it.
 */
export async function createBench(target: Conformance, disposeMs?: number): Promise<Bench> {
  refuse(pluginProblems(target.plugin));
  const options = optionsOf('options', target.plugin.options, target.options);
  const backendOptions = optionsOf('backendOptions', target.plugin.backendOptions, target.backendOptions);
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'));
  const suffix = crypto.randomUUID().slice(0, 8);
  const installationId = `conform-${suffix}`;
  const foreignInstallationId = `foreign-${suffix}`;
  const events: Json[] = [];
  const drivers: Driver[] = [];

  const create = async (id = installationId): Promise<Driver> => {
    const stateDir = await mkdtemp(join(directory, 'state-'));
    const log = (level: string, event: string, fields: Readonly<Record<string, Json>> = {}) =>
      void events.push({ level, event, fields });
    const services = { installationId: id, installationLabel: INSTALLATION_LABEL, stateDir, log };
    const driver = await createDriver(target.plugin, Value.Decode(target.plugin.options, options), services).catch(
      (cause: unknown) => {
        throw refused(cause instanceof Error ? cause.message : String(cause), cause);
      },
    );
    drivers.push(driver);
    return driver;
  };
  const context = (signal = new AbortController().signal): StartContext => ({
    signal,
    progress: (step) => void events.push({ ...step }),
  });
  const sweep = async (): Promise<void> => {
    for (const id of [installationId, foreignInstallationId]) {
      const driver = await create(id);
      for (const owned of await driver.list(AbortSignal.timeout(conditionMs))) {
        await driver.stop(owned.handle, { graceMs: 0 });
      }
    }
    // Dispose each driver: it may remember facts that the platform no longer shows, for example an exit code.
    await Promise.all(drivers.splice(0).map((driver) => disposeDriver(driver, disposeMs)));
  };

  return {
    target,
    installationId,
    foreignInstallationId,
    events,
    create,
    spec: (changes = {}) => createSpec({ ...target, backendOptions }, directory, installationId, changes),
    context,
    async ready(driver, spec) {
      const started = await driver.start(spec, context());
      await until(
        `${spec.id} answers at ${started.url}`,
        async () => (await callRunner(started.url, '/id')) === spec.id,
      );
      return started;
    },
    async startElsewhere(spec) {
      const stateDir = await mkdtemp(join(directory, 'state-'));
      const services = { installationId, installationLabel: INSTALLATION_LABEL, stateDir };
      const argument = JSON.stringify({ file: target.file, options, services, spec });
      const script = join(import.meta.dir, 'elsewhere.ts');
      const router = Bun.spawn([process.execPath, script, argument], { stdout: 'pipe', stderr: 'inherit' });
      const { value } = await router.stdout.getReader().read();
      router.kill('SIGKILL');
      await router.exited;
      if (value === undefined) throw new Error('The other process started no runner: its output says why.');
      return JSON.parse(new TextDecoder().decode(value));
    },
    dump: () => dump(drivers, events),
    sweep,
    async dispose() {
      try {
        await sweep();
      } finally {
        // A runner may have written files that belong to another user.
        await rm(directory, { recursive: true, force: true }).catch(() => undefined);
      }
    },
  };
}

/** The options with the defaults of their schema, as the router gives them to a driver. Throws where it refuses them. */
function optionsOf(label: string, schema: TObject, own: Conformance['options'] = {}): Readonly<Record<string, Json>> {
  const options = Value.Default(schema, structuredClone(own)) as Record<string, Json>;
  refuse([...Value.Errors(schema, options)].map(({ path, message }) => `${label}${path}: ${message}`));
  return options;
}

/** Throws where the router would refuse the driver. */
function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw refused(problems.join('; '));
}

function refused(why: string, cause?: unknown): Error {
  return new Error(`The router refuses this driver: ${why}`, { cause });
}

async function createSpec(
  target: Conformance,
  directory: string,
  installationId: string,
  changes: Partial<RunnerSpec>,
): Promise<RunnerSpec> {
  const source = await mkdtemp(join(directory, 'home-'));
  await cp(join(import.meta.dir, 'runner.ts'), join(source, 'runner.ts'));
  const home = { source, target: target.homeTarget ?? source, ...target.owner };
  const id = crypto.randomUUID().replaceAll('-', '');
  const port = 18_789;
  return {
    id,
    name: `ar-${id.slice(0, 12)}`,
    ...(target.image === undefined ? {} : { image: target.image }),
    // The Bun of the image, or the Bun that runs the suite, by its full path because it need not be on PATH.
    command: target.command?.(home.target) ?? [target.image ? 'bun' : process.execPath, `${home.target}/runner.ts`],
    env: {
      CONFORMANCE_ID: id,
      CONFORMANCE_HOME: home.target,
      CONFORMANCE_PORT: String(port),
      CONFORMANCE_SECRET: SECRET,
    },
    home,
    port,
    limits: {},
    labels: { [INSTALLATION_LABEL]: installationId, 'agent-stack.runner': id },
    options: target.backendOptions ?? {},
    ...changes,
  };
}

/** Sends a request to the runner. Returns the text of the answer; undefined when the request or its status fails. */
export async function callRunner(url: string, path: string, value = ''): Promise<string | undefined> {
  const address = new URL(path, url);
  address.searchParams.set('value', value);
  // Without `close` the connection would stay in the pool after the runner is gone.
  const response = await fetch(address, { headers: { connection: 'close' } }).catch(() => undefined);
  return response?.ok ? response.text().catch(() => undefined) : undefined;
}

/** Waits until the condition is true. Rejects with `name` in the message when that takes too long. */
export async function until(name: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + conditionMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${conditionMs} ms in vain until ${name}`);
    await Bun.sleep(50);
  }
}

/** Returns how the promise settled. Rejects when it is still pending after the second of law 12. */
export async function settled<T>(what: string, promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  let isOpen = true;
  const outcome = Promise.allSettled([promise]).then(([result]) => {
    isOpen = false;
    return result;
  });
  for (let tick = 0; isOpen && tick < abortTicks; tick++) await Promise.race([outcome, Bun.sleep(tickMs)]);
  if (isOpen) throw new Error(`${what} did not honour the abort within a second (driver law 12)`);
  return outcome;
}

/** Returns the command lines of all processes of this machine that `/proc` shows. */
export async function processTitles(): Promise<string> {
  const pids = await readdir('/proc').catch(() => []);
  const titles = pids.filter((pid) => /^\d+$/.test(pid)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8'));
  return (await Promise.allSettled(titles))
    .map((title) => (title.status === 'fulfilled' ? title.value : ''))
    .join('\n');
}

async function dump(drivers: readonly Driver[], events: readonly Json[]): Promise<string> {
  const signal = AbortSignal.timeout(dumpMs);
  const report: unknown[] = [{ events: events.slice(-20) }];
  for (const driver of drivers) {
    const owned = await driver.list(signal).catch((error) => [{ error: String(error) }]);
    for (const entry of owned) {
      if (!('handle' in entry)) {
        report.push(entry);
        continue;
      }
      const inspected = await driver.inspect(entry.handle, signal).catch(String);
      const lines = await driver.logs?.(entry.handle, { tailLines: 20, signal }).catch(String);
      report.push({ ...entry, inspected, lines });
    }
  }
  return JSON.stringify(report, null, 2);
}
