/** The process: config, context, listen, wait for a signal, dispose. */
import { internalApp, publicApp } from './app';
import { BackendsError } from './backends/backends';
import { ConfigError, environment, loadConfig } from './config/config';
import { createContext } from './context';
import { InUseError } from './database/database';
import { WrongKeyError } from './database/sealing';
import { processLog, setLogLevel } from './lib/log';
import { DriversError } from './platforms/drivers';
import { createInternalListener } from './web/internal-listener';

const SHUTDOWN_MS = 10_000;
/** A timer that throws at each of its ticks comes to more; requests that somebody sends by hand do not. */
const FAULTS_PER_MINUTE_MAX = 1_000;

async function main(): Promise<void> {
  const { config, secrets } = loadConfig(environment);
  setLogLevel(config.logLevel);
  const stopped = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve(signal));
  surviveFaults(() => stopped.resolve('too many faults'));

  const internal = createInternalListener(config.internal);
  const { port: internalPort } = config.internal;
  await using context = await createContext({ config, secrets, internalPort, listenOn: internal.listenOn });
  const open = await publicApp(context, secrets);
  internal.open(() => internalApp(context));
  open.listen({ hostname: config.public.host, port: config.public.port });
  processLog.info(
    {
      address: `http://${config.public.host}:${config.public.port}`,
      internalPort,
      backends: context.backends.all().map(({ name }) => name),
    },
    'router.started',
  );

  const signal = await stopped.promise;
  processLog.info({ signal }, 'router.stopping');
  // Nobody new comes in; who is here is told by the context's end.
  void open.stop();
  internal.close();
  // Whatever hangs, the process ends.
  setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
}

/**
 * What nobody has caught. It came from a callback of one request, or of a timer that comes again: that one thing failed,
 * and everybody else's answers go on. So many in a minute are something that does not mend itself: then the router ends
 * in order, with answers saved and runners left, for whoever has started it to start it anew.
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

// Not awaited at the top, which a file with bytecode cannot do (build.ts).
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

/** What to do, where we know; else all there is. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return Bun.inspect(error);
  const isOurs = [ConfigError, BackendsError, DriversError, InUseError, WrongKeyError].some(
    (one) => error instanceof one,
  );
  if (isOurs) return error.message;
  if (!('code' in error && error.code === 'EADDRINUSE')) return Bun.inspect(error);
  return `${error.message}\nStop what listens there, or set FRONTEND_PORT and ROUTER_PORT to ports that are free.`;
}
