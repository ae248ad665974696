/** The drivers: found in folders and npm packages, checked against the contract, created when a backend uses them. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Static, TObject } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { isPlugin, pluginProblems } from '../../drivers/check';
import { createDriver, disposeDriver, inTime } from '../../drivers/create';
import type { Driver, DriverPlugin, DriverServices, Json } from '../../drivers/driver';
import type { Backend } from '../backends/backends';
import { repositoryRoot } from '../config/root';
import { AppError } from '../lib/errors';
import { driversLog } from '../lib/log';
import { schemaProblems, withDefaults } from '../lib/schema-check';
import { importDriver, ownDrivers } from './load';
import { sharePackages } from './shared-packages';

export interface DriverSources {
  /** A further folder of drivers: `<driversDir>/<name>/index.ts`. */
  readonly driversDir?: string;
  /** The folder from which `npm:` drivers are resolved, before the repository: that of `backends.json`. */
  readonly packagesFrom?: string;
  /** Each driver's own options, by the name `backends.json` uses for it. */
  readonly options: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly backends: readonly Backend[];
  /**
   * Names of the drivers that started the runners of an earlier life: they are loaded too, because otherwise nothing
   * would stop those runners.
   */
  readonly withRunners?: readonly string[];
  /** How long the import of a driver may keep the router from serving. Default: 30 s. */
  readonly importMs?: number;
  /** How long the `create` of a driver may. Default: 30 s. */
  readonly createMs?: number;
  /** How long a driver may keep the router from ending. Default: 5 s. */
  readonly disposeMs?: number;
  /** `driverName` is the plugin's own name: lower-case letters, digits and '-', so it may name a folder. */
  services(driverName: string): DriverServices;
}

/** Why the router cannot host the enabled backends, one problem per line. */
export class DriversError extends Error {
  override readonly name = 'DriversError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

interface Found {
  readonly plugin: DriverPlugin;
  /** The driver's part of DRIVER_OPTIONS, checked and with defaults. */
  readonly options: Static<TObject>;
}

export class DriverRegistry implements AsyncDisposable {
  /** The problem of each driver that has one, by the name that `backends.json` uses for it. */
  readonly problems: Record<string, string> = {};
  readonly #found = new Map<string, Found>();
  readonly #drivers = new Map<string, Driver>();

  private constructor(readonly sources: DriverSources) {}

  /** Throws a DriversError when an enabled backend cannot be hosted. Other problems are in `problems`. */
  static async load(sources: DriverSources): Promise<DriverRegistry> {
    const registry = new DriverRegistry(sources);
    await registry.#discover(ownDrivers());
    if (sources.driversDir) {
      if (!existsSync(sources.driversDir)) throw new DriversError([`DRIVERS_DIR: there is no ${sources.driversDir}`]);
      sharePackages();
      const cwd = sources.driversDir;
      const files = new Bun.Glob('*/index.ts').scan({ cwd, absolute: true, followSymlinks: true });
      await registry.#discover(await Array.fromAsync(files));
    }
    const problems = await registry.ensureFor(sources.backends);
    for (const name of Object.keys(sources.options)) {
      if (!registry.#found.has(name) && registry.problems[name] === undefined) {
        registry.#refuse(name, 'DRIVER_OPTIONS names it, but there is no such driver');
      }
    }
    if (problems.length === 0) return registry;
    await registry[Symbol.asyncDispose]();
    throw new DriversError(problems);
  }

  /** Throws `driver_unavailable` when the driver was not created or has failed. */
  get(name: string): Driver {
    const driver = this.#drivers.get(name);
    if (driver) return driver;
    throw new AppError('driver_unavailable', { hint: `Driver "${name}": ${this.problems[name] ?? 'not loaded'}.` });
  }

  /** The names of the created drivers, as in `backends.json`. */
  names(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  /** The URLs at which the platforms of the created drivers take commands. */
  platformUrls(): readonly string[] {
    return [...this.#drivers.values()].flatMap(({ platformUrls }) => platformUrls ?? []);
  }

  find(name: string): Driver | undefined {
    return this.#drivers.get(name);
  }

  /**
   * Loads and creates the drivers of `backends` that are missing, including those that failed before. Returns the
   * problems that keep enabled backends from being hosted. One call at a time.
   */
  async ensureFor(backends: readonly Backend[]): Promise<string[]> {
    const used = [...backends.map((backend) => backend.driver), ...(this.sources.withRunners ?? [])];
    for (const name of new Set(used)) {
      if (this.#drivers.has(name)) continue;
      if (name.startsWith('npm:') && !this.#found.has(name)) await this.#attempt(name, () => this.#findPackage(name));
      const found = this.#found.get(name);
      if (found) await this.#attempt(name, () => this.#create(name, found));
    }
    return backends.filter((backend) => !backend.disabled).flatMap((backend) => this.checkBackend(backend));
  }

  /** The platform that the driver needs on the machine, by the name that people know. */
  platformOf(name: string): string | undefined {
    return this.#found.get(name)?.plugin.platform;
  }

  /** A backend's `driver_options` with the driver's defaults. */
  optionsFor({ driver, driverOptions }: Pick<Backend, 'driver' | 'driverOptions'>): Readonly<Record<string, Json>> {
    const plugin = this.#found.get(driver)?.plugin;
    return plugin ? optionsOf(plugin, driverOptions) : driverOptions;
  }

  /** The problems that keep `backend` from being hosted. */
  checkBackend({ name, driver, driverOptions, trusted }: Backend): string[] {
    const plugin = this.#found.get(driver)?.plugin;
    const problem = this.problems[driver];
    if (problem !== undefined) return [`backend "${name}": driver "${driver}": ${problem}`];
    if (!plugin) {
      const known = [...this.#found.keys()].sort().join(', ');
      const { driversDir } = this.sources;
      const place = driversDir === undefined ? 'DRIVERS_DIR is not set' : `nor ${join(driversDir, driver, 'index.ts')}`;
      return [`backend "${name}": there is no driver "${driver}" (there are: ${known}; ${place})`];
    }
    const problems = schemaProblems('driver_options', plugin.backendOptions, optionsOf(plugin, driverOptions));
    if (!plugin.isolates && !trusted) {
      problems.push(`driver "${driver}" does not keep runners apart, so the backend needs "trusted": true`);
    }
    return problems.map((text) => `backend "${name}": ${text}`);
  }

  /** Disposes every driver. Runners keep running. */
  async [Symbol.asyncDispose](): Promise<void> {
    const drivers = [...this.#drivers];
    this.#drivers.clear();
    await Promise.all(drivers.map(([name, driver]) => this.#dispose(name, driver)));
  }

  async #discover(files: readonly string[]): Promise<void> {
    for (const file of files) {
      const name = basename(dirname(file));
      await this.#attempt(name, () => this.#import(name, file));
    }
  }

  async #findPackage(name: string): Promise<void> {
    const packageName = name.slice('npm:'.length);
    const folders = [this.sources.packagesFrom, repositoryRoot].filter((folder) => folder !== undefined);
    const file = folders.map((folder) => resolvePackage(packageName, folder)).find((found) => found !== undefined);
    if (!file) throw new Error(`package ${packageName} is not installed in ${folders.join(' or ')}`);
    await this.#import(name, file);
  }

  async #import(name: string, file: string): Promise<void> {
    const plugin = await importPlugin(file, this.sources.importMs);
    if (!name.startsWith('npm:') && plugin.name !== name) throw new Error(`calls itself "${plugin.name}" (${file})`);
    if ([...this.#found.values()].some((other) => other.plugin.name === plugin.name)) {
      this.#found.delete(name);
      throw new Error(`there are two drivers called "${plugin.name}"; one of them is ${file}`);
    }
    const options = withDefaults(plugin.options, this.sources.options[name] ?? {});
    const problems = schemaProblems(`DRIVER_OPTIONS/${name}`, plugin.options, options);
    if (problems.length > 0) throw new Error(problems.join('; '));
    this.#found.set(name, { plugin, options: Value.Decode(plugin.options, options) });
  }

  async #create(name: string, { plugin, options }: Found): Promise<void> {
    const services = this.sources.services(plugin.name);
    this.#drivers.set(name, await createDriver(plugin, options, services, this.sources.createMs));
  }

  async #dispose(name: string, driver: Driver): Promise<void> {
    await disposeDriver(driver, this.sources.disposeMs).catch((error: unknown) =>
      driversLog.warn({ driver: name, err: error }, 'driver.not_disposed'),
    );
  }

  /** One broken driver must not keep the others from being served: an error of `act` becomes the driver's problem. */
  async #attempt(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      delete this.problems[name];
    } catch (error) {
      this.#refuse(name, error instanceof Error ? error.message : String(error));
    }
  }

  #refuse(name: string, problem: string): void {
    if (this.problems[name] !== problem) driversLog.warn({ driver: name, problem }, 'driver.refused');
    this.problems[name] = problem;
  }
}

function optionsOf({ backendOptions }: DriverPlugin, own: Backend['driverOptions']): Readonly<Record<string, Json>> {
  return withDefaults(backendOptions, own) as Readonly<Record<string, Json>>;
}

function resolvePackage(name: string, folder: string): string | undefined {
  try {
    return Bun.resolveSync(name, folder);
  } catch {
    return undefined;
  }
}

/** Every problem names the file: some errors of an import say what is wrong, but not where. */
async function importPlugin(file: string, limitMs?: number): Promise<DriverPlugin> {
  let plugin: unknown;
  try {
    // An `await` at the top level of the file may never end.
    plugin = (await inTime(importDriver(file), limitMs, 'its import did not end')).default;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(message.includes(file) ? message : `${message} (${file})`, { cause: error });
  }
  if (isPlugin(plugin)) return plugin;
  throw new Error(`${pluginProblems(plugin).join('; ')} (${file})`);
}
