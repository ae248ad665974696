/** The process: config, context, listen, wait for a signal, dispose. */
import { internalApp, publicApp } from './app';
import { BackendsError } from './backends';
import { ConfigError, environment, loadConfig } from './config';
import { type Context, createContext, WrongKeyError } from './context';
import { DriversError } from './drivers';
import { processLog, setLogLevel } from './log';

const SHUTDOWN_MS = 10_000;

async function main(): Promise<void> {
  const { config, secrets } = loadConfig(environment);
  setLogLevel(config.logLevel);
  const stopped = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve(signal));

  await using context = await createContext({ config, secrets, internalPort: config.internal.port });
  const open = await publicApp(context, secrets);
  for (const hostname of await internalHosts(context)) {
    internalApp(context).listen({ hostname, port: config.internal.port });
  }
  open.listen({ hostname: config.public.host, port: config.public.port });
  processLog.info(
    {
      address: `http://${config.public.host}:${config.public.port}`,
      internalPort: config.internal.port,
      backends: context.backends.all().map(({ name }) => name),
    },
    'router.started',
  );

  const signal = await stopped.promise;
  processLog.info({ signal }, 'router.stopping');
  // Whatever hangs, the process ends.
  setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
}

/** Loopback, and the addresses at which the drivers' runners reach the host. */
async function internalHosts(context: Context): Promise<Iterable<string>> {
  const { host, port } = context.config.internal;
  if (host !== undefined) return [host];
  const hosts = new Set(['127.0.0.1']);
  for (const name of context.drivers.names()) {
    const address = await context.drivers.get(name).routerAddress(port, AbortSignal.timeout(5_000));
    hosts.add(address.listenHost);
  }
  return hosts;
}

try {
  await main();
  processLog.info('router.stopped');
  process.exit(0);
} catch (error) {
  const isExpected = [ConfigError, BackendsError, DriversError, WrongKeyError].some((known) => error instanceof known);
  process.stderr.write(`${isExpected ? (error as Error).message : Bun.inspect(error)}\n`);
  process.exit(1);
}
