/** The process: reads the config, builds the context, listens, waits for a signal, disposes. */
import { BootstrapError } from './accounts/accounts';
import { logFaults } from './agents/start-check';
import { internalApp, publicApp } from './app';
import { BackendsError } from './backends/backends';
import { ConfigError, environment, loadConfig } from './config/config';
import { createContext } from './context';
import { DatabaseError } from './database/checks';
import { InUseError } from './database/database';
import { WrongKeyError } from './database/sealing';
import { AppError } from './lib/errors';
import { logToFile, processLog, setLogLevel } from './lib/log';
import { storageFault } from './lib/storage-faults';
import { startTracing } from './lib/tracing';
import { DriversError } from './platforms/drivers';
import { createInternalListener } from './web/internal-listener';
import { ListenError, listenAt } from './web/listening';

/** What ends the router after it has drained: telling pages, saving, closing. After it the process ends even if something hangs. */
const SHUTDOWN_MS = 10_000;
/** A page that does not read what it is told reads it when it comes back. */
const TELLING_MS = 2_000;
/** A broken timer that fires all the time exceeds this; faults of requests that a person sends do not. */
const FAULTS_PER_MINUTE_MAX = 1_000;
/** Milliseconds after the start in which most of what the first requests need is loaded. */
const SETTLED_MS = 1_000;

async function main(): Promise<void> {
  const { config, secrets, notes } = loadConfig(environment);
  setLogLevel(config.logLevel);
  if (config.logFile) await logToFile(config.logFile).catch(refuseLogFile);
  for (const { variable, note } of notes) processLog.warn({ variable, note }, 'setting.of_the_first_agent_stack');
  const stopped = Promise.withResolvers<string>();
  const hurry = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopped.resolve(signal);
      // A second signal ends the wait for the work under way.
      process.once(signal, () => hurry.abort());
    });
  }
  surviveFaults(() => stopped.resolve('too many faults'));

  await using _tracing = await startTracing(config.tracing);
  const internal = createInternalListener(config.internal);
  const { port: internalPort } = config.internal;
  await using context = await createContext({ config, secrets, internalPort, listenOn: internal.listenOn });
  const open = await publicApp(context, secrets);
  internal.open(() => internalApp(context));
  const settings = { host: 'FRONTEND_BIND_HOST', port: 'FRONTEND_PORT' };
  listenAt(open, { hostname: config.public.host, port: config.public.port, settings });
  processLog.info(
    {
      address: `http://${config.public.host}:${config.public.port}`,
      internalPort,
      backends: context.backends.all().map(({ name }) => name),
    },
    'router.started',
  );
  void logFaults({ ...context, seedsRoot: config.seedsRoot });
  const { draining, generations, streams } = context;
  const underWay = () => streams.working + generations.size;
  // Gives back the code that only the start needed, 4 of 86 MB. That takes 20 ms, for which no answer has to wait.
  setTimeout(() => underWay() === 0 && Bun.shrink(), SETTLED_MS).unref();

  const signal = await stopped.promise;
  processLog.info({ signal, underWay: underWay() }, 'router.stopping');
  setTimeout(() => process.exit(1), config.drainMs + SHUTDOWN_MS).unref();
  // Both listeners go on: people see their answers end, for which runners call the broker.
  await draining.drain(underWay, config.drainMs, hurry.signal);
  // Open pages are told the end of what ended last.
  await draining.drain(() => streams.telling, TELLING_MS, hurry.signal);
  // Accepts no new connections. The context ends the open ones.
  void open.stop();
  internal.close();
}

function refuseLogFile(error: unknown): never {
  const rule = `must be a file that the router can write (${error instanceof Error ? error.message : error})`;
  throw new ConfigError([{ variable: 'LOG_FILE', rule, example: '/var/log/agent-stack/router.log' }]);
}

/**
 * Handles errors that no code has caught. Such an error comes from a callback of one request, or from a timer that will
 * fire again: only that fails, and all other answers go on. Too many in a minute are a permanent fault. Then the router
 * shuts down in order, with answers saved and runners running, so that its supervisor can restart it.
 */
function surviveFaults(end: () => void): void {
  let sinceMs = 0;
  let count = 0;
  const fault = (kind: string) => (error: unknown) => {
    processLog.error({ kind, err: error }, 'process.fault');
    const nowMs = performance.now();
    if (nowMs - sinceMs > 60_000) [sinceMs, count] = [nowMs, 0];
    count += 1;
    if (count < FAULTS_PER_MINUTE_MAX) return;
    process.exitCode = 1;
    end();
  };
  process.on('uncaughtException', fault('exception'));
  process.on('unhandledRejection', fault('rejection'));
}

// No `await` at the top level, because a bundle with bytecode cannot have one (build.ts).
main().then(
  () => {
    processLog.info('router.stopped');
    process.exit(process.exitCode ?? 0);
  },
  (error) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  },
);

/** Returns what to do about a known error; otherwise the whole error. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return Bun.inspect(error);
  const isOurs = [
    AppError,
    BackendsError,
    BootstrapError,
    ConfigError,
    DatabaseError,
    DriversError,
    InUseError,
    ListenError,
    WrongKeyError,
  ].some((one) => error instanceof one);
  if (isOurs) return error.message;
  const fault = storageFault(error);
  if (fault) return `The database cannot be used: ${fault.what}. ${fault.remedy}`;
  return Bun.inspect(error);
}
