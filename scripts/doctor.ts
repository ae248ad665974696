/**
 * `bun run doctor`: checks an installation for common faults, prints the command that fixes each, and exits with 1 if
 * there is one. It can run beside a router, and removes everything that it creates.
 */
import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Engine } from '../drivers/docker/engine';
import type { DriverServices } from '../drivers/driver';
import { type Backend, BackendRegistry } from '../router/backends/backends';
import { type Config, ConfigError, type Env, environment, loadConfig } from '../router/config/config';
import { newId } from '../router/lib/ids';
import { DriverRegistry } from '../router/platforms/drivers';
import { PROGRAM, readArguments } from './command';
import { connectEngine, dockerChecks, engine, servicesOf } from './doctor/docker';
import { type Check, type Finding, ok, thrown } from './doctor/finding';
import { hostChecks } from './doctor/host';
import { misspelt } from './doctor/misspelt';

export type Named = Finding & { readonly name: string };

/** Yields every finding as soon as it is known. Never throws. */
export async function* examine(env: Env): AsyncGenerator<Named> {
  let config: Config;
  try {
    ({ config } = loadConfig(env));
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [];
    for (const { variable, rule, example } of problems) {
      yield { name: 'settings', state: 'problem', text: `${variable} ${rule}`, remedy: `in .env, such as: ${example}` };
    }
    if (problems.length === 0) yield { name: 'settings', ...thrown(error) };
    return;
  }
  yield { name: 'settings', state: 'ok', text: 'valid' };
  for (const finding of misspelt(env)) yield { name: 'settings', ...finding };
  for (const check of hostChecks) yield* findings(check, config);
  const enabled = enabledBackends(config);
  if (enabled === undefined) {
    yield { name: 'docker', state: 'note', text: 'not checked, as backends.json is not valid' };
    return;
  }
  yield* findings({ name: 'drivers', run: () => drivers(config, enabled) }, config);
  yield* containers(
    config,
    enabled.filter(({ driver }) => driver === 'docker'),
  );
}

async function* findings<Subject>({ name, run }: Check<Subject>, subject: Subject): AsyncGenerator<Named> {
  try {
    for (const finding of await run(subject)) yield { name, ...finding };
  } catch (error) {
    yield { name, ...thrown(error) };
  }
}

/** Returns undefined if the file is invalid; another check reports that. */
function enabledBackends({ backendsPath }: Config): readonly Backend[] | undefined {
  try {
    using registry = BackendRegistry.load(backendsPath);
    return registry.all().filter(({ disabled }) => !disabled);
  } catch {
    return undefined;
  }
}

/** Loads the drivers as the router does, but with a separate state directory. */
async function drivers(config: Config, enabled: readonly Backend[]): Promise<readonly Finding[]> {
  await using state = await temporaryFolder();
  await using registry = await DriverRegistry.load({
    ...(config.driversDir !== undefined && { driversDir: config.driversDir }),
    packagesFrom: dirname(config.backendsPath),
    options: config.driverOptions,
    backends: enabled,
    services: () => servicesOf('doctor', state.path),
  });
  const problems = Object.entries(registry.problems);
  if (problems.length === 0) return ok(registry.names().join(', '));
  return problems.map(([name, text]) => ({ state: 'problem', text: `driver "${name}": ${text}` }));
}

async function* containers(config: Config, backends: readonly Backend[]): AsyncGenerator<Named> {
  if (backends.length === 0) {
    yield { name: 'docker', state: 'ok', text: 'no backend needs it' };
    return;
  }
  const known = installationId(config);
  const services = servicesOf(known ?? newId(), tmpdir());
  try {
    const { docker, options } = await connectEngine(config);
    let isWell = true;
    for await (const finding of findings({ name: 'engine', run: () => engine(docker) }, config)) {
      if (finding.state === 'problem') isWell = false;
      yield finding;
    }
    if (!isWell) return;
    for (const backend of backends) {
      for (const { name, run } of dockerChecks) {
        const patient = { config, docker, options, services, backend };
        yield* findings({ name: `${backend.name}: ${name}`, run }, patient);
      }
    }
    if (known !== undefined) return;
    await removeNetworks(docker, services);
  } catch (error) {
    yield { name: 'engine', ...thrown(error) };
  }
}

/** Before the first start there is no installation that would use the networks again, so they are removed. */
async function removeNetworks(docker: Engine, services: DriverServices): Promise<void> {
  const label = [`${services.installationLabel}=${services.installationId}`];
  try {
    const client = await docker();
    const networks = await client.listNetworks({ filters: { label } });
    await Promise.all(networks.map(({ Id }) => client.getNetwork(Id).remove()));
  } catch {
    // A proxy in front of the engine's socket may refuse this. An empty network then remains.
  }
}

/** Reads the database beside a router that may be running. Undefined before the first start. */
function installationId({ databasePath }: Config): string | undefined {
  if (!existsSync(databasePath)) return undefined;
  using database = new Database(databasePath, { readonly: true });
  return database.query<{ value: string }, []>("SELECT value FROM installation WHERE name = 'id'").get()?.value;
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'agent-stack-doctor-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Prints a line for each check, and ends the process. */
export async function run(): Promise<never> {
  readArguments({
    usage: `Usage, while the router runs or not: ${PROGRAM} doctor   checks the installation in this folder`,
  });
  let problems = 0;
  for await (const { name, state, text, remedy } of examine(environment)) {
    if (state === 'problem') problems += 1;
    process.stdout.write(`${state.padEnd(8)} ${name}: ${text}\n`);
    if (remedy !== undefined) process.stdout.write(`${' '.repeat(9)}→ ${remedy}\n`);
  }
  process.stdout.write(problems === 0 ? 'Nothing is wrong.\n' : `${problems} problem${problems === 1 ? '' : 's'}.\n`);
  process.exit(problems === 0 ? 0 : 1);
}

if (import.meta.main) await run();
