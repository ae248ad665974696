/** Hosts runners as processes of this machine, on loopback. Gives no isolation: see `README.md`. */
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { type Driver, defineDriver, type Health, type Owned } from '../driver';
import { runnerHost } from '../runner-host';
import { createChildren } from './children';
import { continueRunner } from './end';
import { createExits } from './exits';
import { createLogFiles } from './log-files';
import {
  failure,
  findRunners,
  handleOf,
  isOf,
  type ProcessHandle,
  refuseAborted,
  requireReadable,
  urlOf,
} from './runners';
import { type DriverParts, startRunner, stopRunner } from './start';
import { createStats } from './stats';
import { type Process, processTable } from './table';

const options = Type.Object(
  {
    path: Type.Optional(
      Type.String({ description: 'PATH of runners. Default: the one the router was started with', minLength: 1 }),
    ),
    logBytes: Type.Optional(
      Type.Integer({ description: 'Size of the output kept per runner', minimum: 4096, default: 1_048_576 }),
    ),
  },
  { additionalProperties: false },
);

export default defineDriver({
  name: 'process',
  summary: 'Runs agents as processes of this machine, without any isolation',
  isolates: false,
  options,
  backendOptions: Type.Object({}, { additionalProperties: false }),
  async create({ path, logBytes = 1_048_576 }, services): Promise<Driver<ProcessHandle>> {
    if (process.platform === 'win32') throw failure('unavailable', 'Windows is not supported', process.platform);
    const children = createChildren(processTable());
    const { table } = children;
    const logs = await createLogFiles(join(services.stateDir, 'logs'), logBytes);
    return createDriver({
      table,
      children,
      services,
      exits: createExits(table),
      logs,
      host: runnerHost(),
      path: path ?? process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    });
  },
});

function createDriver(parts: DriverParts): Driver<ProcessHandle> {
  const { table, logs, exits, services } = parts;
  const starting = new Map<string, Promise<ProcessHandle>>();
  const watches = new AbortController();
  const stats = createStats(table);
  return {
    name: 'process',
    async ping(signal) {
      refuseAborted(signal);
      await requireReadable(table);
    },
    routerAddress: async (port) => ({ url: `http://127.0.0.1:${port}`, listenHost: '127.0.0.1' }),
    async start(spec, context) {
      const start = starting.get(spec.id) ?? startRunner(parts, spec, context).finally(() => starting.delete(spec.id));
      starting.set(spec.id, start);
      const handle = await start;
      return { handle, url: urlOf(handle) };
    },
    inspect: (handle, signal) => inspect(parts, handle, signal),
    stop: (handle, { graceMs }) => stopRunner(parts, handle, graceMs),
    async list(signal) {
      refuseAborted(signal);
      const owned = await list(parts);
      refuseAborted(signal);
      return owned;
    },
    resume: ({ life }) => continueRunner(table, life),
    logs: ({ life }, { tailLines }) => logs.tail(life, tailLines),
    watch: (signal) =>
      exits.watch(AbortSignal.any([signal, watches.signal]), async () => {
        await list(parts).catch((error) => services.log('warn', 'watch.incomplete', { reason: String(error) }));
      }),
    ...(stats === undefined ? {} : { stats }),
    async [Symbol.asyncDispose]() {
      watches.abort();
      logs[Symbol.dispose]();
    },
  };
}

function healthOf({ isStopped, startedAtMs }: Process): Health {
  return isStopped ? { state: 'paused' } : { state: 'running', startedAtMs };
}

async function inspect({ table, exits }: DriverParts, handle: ProcessHandle, signal: AbortSignal): Promise<Health> {
  if (signal.aborted) return { state: 'unknown', reason: 'the call was aborted' };
  try {
    const entry = await table.find(handle.pid);
    if (entry === undefined || !isOf(handle, entry)) return (await exits.find(handle)) ?? { state: 'gone' };
    exits.addAdopted(handle);
    return healthOf(entry);
  } catch (error) {
    return { state: 'unknown', reason: String(error) };
  }
}

async function list({ table, exits, logs, services }: DriverParts): Promise<readonly Owned<ProcessHandle>[]> {
  const { installationId, installationLabel } = services;
  const everyone = await findRunners(table);
  await logs.sweep(new Set(everyone.map(({ mark }) => mark.life)));
  const found = everyone.filter(({ mark }) => mark.labels[installationLabel] === installationId);
  const remembered = exits.remembered().map(({ handle, health }) => ({ runnerId: handle.runnerId, handle, health }));
  // What is remembered says how a runner ended. Its entry wins over that of processes which the runner left behind.
  const ended = new Set(remembered.map(({ handle }) => handle.life));
  const living = found.filter(({ mark }) => !ended.has(mark.life));
  const there = living.map((runner): Owned<ProcessHandle> => {
    const handle = handleOf(runner);
    const { runnerId } = handle;
    if (runner.leader === undefined) return { runnerId, handle, health: { state: 'exited' } };
    exits.addAdopted(handle);
    return { runnerId, handle, health: healthOf(runner.leader), url: urlOf(handle) };
  });
  return [...there, ...remembered];
}
