/**
 * A driver whose runners live in this process: for tests, and as a sample to copy for a new driver.
 * `platform.ts` takes the place of the platform that a real driver calls.
 */
import { Type } from '@sinclair/typebox';
import {
  type Driver,
  defineDriver,
  type Health,
  type HealthChange,
  type RunnerSpec,
  type StartContext,
} from '../driver';
import { type DriverSide, error, findProgram, type MemoryRunner, platformOf } from './platform';

export { type MemoryPlatform, memoryPlatform, type Program, type ProgramRuntime, registerProgram } from './platform';

type MemoryHandle = { readonly runnerId: string };

export default defineDriver({
  name: 'memory',
  summary: 'Runs programs of this process: for tests and demonstrations',
  // The runners are functions of our own code in this process, so they need no isolation.
  isolates: true,
  options: Type.Object({}, { additionalProperties: false }),
  backendOptions: Type.Object(
    { program: Type.Optional(Type.String({ description: 'Name given to registerProgram', default: 'echo' })) },
    { additionalProperties: false },
  ),
  create: (_options, services): Driver<MemoryHandle> => {
    const platform = platformOf(services.installationId);
    return {
      name: 'memory',
      ping: () => platform.enter({ verb: 'ping' }),
      version: async () => 'Memory 1.0',
      routerAddress: async (port) => ({ url: `http://127.0.0.1:${port}`, listenHost: '127.0.0.1' }),
      async start(spec, context) {
        await abortable(platform.enter({ verb: 'start', subject: spec.id, context }), context.signal);
        const known = platform.runners.get(spec.id);
        const runner = known?.health.state === 'running' ? known : launch(platform, spec, context);
        return { handle: { runnerId: spec.id }, url: runner.url };
      },
      async inspect({ runnerId }, signal) {
        try {
          await abortable(platform.enter({ verb: 'inspect', subject: runnerId }), signal);
        } catch (reason) {
          return { state: 'unknown', reason: String(reason) };
        }
        return platform.runners.get(runnerId)?.health ?? { state: 'gone' };
      },
      async stop({ runnerId }) {
        await platform.enter({ verb: 'stop', subject: runnerId });
        await platform.runners.get(runnerId)?.close();
        if (platform.runners.delete(runnerId)) platform.change(runnerId, { state: 'gone' });
      },
      async list(signal) {
        await abortable(platform.enter({ verb: 'list' }), signal);
        return [...platform.runners.values()]
          .filter(({ spec }) => spec.labels[services.installationLabel] === services.installationId)
          .map(({ spec, health, url }) => {
            const owned = { runnerId: spec.id, handle: { runnerId: spec.id }, health };
            return health.state === 'running' || health.state === 'paused' ? { ...owned, url } : owned;
          });
      },
      async pause({ runnerId }, signal) {
        await abortable(platform.enter({ verb: 'pause', subject: runnerId }), signal);
        turn(platform, runnerId, 'running', 'paused');
      },
      async resume({ runnerId }, signal) {
        await abortable(platform.enter({ verb: 'resume', subject: runnerId }), signal);
        turn(platform, runnerId, 'paused', 'running');
      },
      async prepare(image, context) {
        const isThere = platform.images.has(image) && context.isAnew !== true;
        if (!isThere) context.progress({ stage: 'pull', percent: 0, message: 'Fetching' });
        await abortable(platform.enter({ verb: 'prepare', subject: image, context }), context.signal);
        platform.images.add(image);
        if (!isThere) context.progress({ stage: 'pull', percent: 100, message: 'Fetched' });
      },
      async logs({ runnerId }, { tailLines, signal }) {
        await abortable(platform.enter({ verb: 'logs', subject: runnerId }), signal);
        return (platform.runners.get(runnerId)?.lines ?? []).slice(-tailLines);
      },
      watch: (signal) => watch(platform, signal),
      async stats({ runnerId }, signal) {
        await abortable(platform.enter({ verb: 'stats', subject: runnerId }), signal);
        return platform.runners.has(runnerId) ? { cpuPercent: 1, memoryBytes: 1_048_576 } : {};
      },
    };
  },
});

/** A paused program goes on answering, because it shares the process; only its health says that it is paused. */
function turn(platform: DriverSide, runnerId: string, from: Health['state'], to: 'running' | 'paused'): void {
  const runner = platform.runners.get(runnerId);
  if (runner?.health.state !== from) return;
  runner.health = { state: to };
  platform.change(runnerId, runner.health);
}

/** Synchronous: the runner is either in `platform.runners` when this returns, or the start threw and left nothing behind. */
function launch(platform: DriverSide, spec: RunnerSpec, context: StartContext): MemoryRunner {
  const name = String(spec.options.program ?? 'echo');
  const program = findProgram(name);
  if (program === undefined) throw error('start_failed', `no program is registered as ${name}`);
  context.progress({ stage: 'start', message: 'Starting' });
  if (context.signal.aborted) throw error('timeout', 'the start was aborted', context.signal.reason);
  const lines: string[] = [];
  let answer: ReturnType<typeof program> = () => new Response('starting', { status: 503 });
  // No idle timeout: the router decides how long a stream may be silent.
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: (request) => answer(request) });
  const url = `http://127.0.0.1:${server.port}`;
  const runner: MemoryRunner = {
    spec,
    url,
    lines,
    health: { state: 'running', startedAtMs: Date.now() },
    close: () => server.stop(true),
  };
  platform.runners.set(spec.id, runner);
  const exit = (exitCode: number) => {
    if (platform.runners.get(spec.id) === runner) platform.crash(spec.id, { exitCode });
  };
  try {
    answer = program(spec, { url, port: server.port ?? 0, say: (line) => void lines.push(line), exit });
  } catch (cause) {
    platform.runners.delete(spec.id);
    void runner.close();
    throw error('start_failed', `the program ${name} failed to start`, cause);
  }
  return runner;
}

/** Waits for the call. Rejects with the fault `timeout` as soon as the signal aborts; the call itself goes on. */
async function abortable(call: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(error('timeout', 'the call was aborted', signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await Promise.race([call, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    call.catch(() => undefined);
  }
}

async function* watch(platform: DriverSide, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const changes: HealthChange[] = [];
  let wake = Promise.withResolvers<void>();
  const listener = (runnerId: string, health: HealthChange['health']) => {
    changes.push({ runnerId, health });
    wake.resolve();
  };
  const end = () => wake.resolve();
  platform.listeners.add(listener);
  signal.addEventListener('abort', end, { once: true });
  try {
    while (!signal.aborted) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
      yield* changes.splice(0);
    }
  } finally {
    platform.listeners.delete(listener);
    signal.removeEventListener('abort', end);
  }
}
