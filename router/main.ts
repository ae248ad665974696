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

async function main(): Promise<void> {
  const { config, secrets } = loadConfig(environment);
  setLogLevel(config.logLevel);
  const stopped = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve(signal));

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

// Not awaited at the top, which a file with bytecode cannot do (build.ts).
main().then(
  () => {
    processLog.info('router.stopped');
    process.exit(0);
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
