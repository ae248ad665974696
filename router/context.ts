/** Builds everything once and owns its end: database, stores, drivers, services. */
import { mkdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { DriverServices } from '../drivers/driver';
import { BackendRegistry } from './backends';
import type { Config, Secrets } from './config';
import { DriverRegistry } from './drivers';
import { createOpenStreams } from './http/streams';
import { newId } from './ids';
import { driversLog, processLog } from './log';
import { accountsService } from './services/accounts';
import { addressesService } from './services/addresses';
import { adoptionService } from './services/adoption';
import { agentsService } from './services/agents';
import { conversationsService } from './services/conversations';
import { credentialsService } from './services/credentials';
import { createEvents } from './services/events';
import { generationsService } from './services/generations';
import { imagesService } from './services/images';
import { keysService } from './services/keys';
import { idleService, sweep } from './services/reaper';
import { INSTALLATION_LABEL } from './services/runner-spec';
import { runnersService } from './services/runners';
import { createWatches } from './services/watches';
import { createStores, type Stores } from './stores';
import { lockDatabase, openDatabase } from './stores/database';
import { createVault, isKeyOf, sealCheck, type Vault } from './vault';

const KEYS_FLUSH_MS = 10_000;
const ADOPTION_RETRY_MS = 5_000;

export type Context = Awaited<ReturnType<typeof createContext>>;

export interface ContextOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  /** The port at which the internal listener will answer, and how it is made to listen on one more address. */
  readonly internalPort: number;
  readonly listenOn: (host: string) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Resolves when runners of an earlier life have been taken back and answers that a crash left open are closed; nothing
 * listens yet. Throws when a setting, `backends.json`, a driver or the database is not in order.
 */
export async function createContext({ config, secrets, internalPort, listenOn, now = Date.now }: ContextOptions) {
  await using cleanUp = new AsyncDisposableStack();
  const backends = cleanUp.use(BackendRegistry.load(config.backendsPath));
  cleanUp.use(lockDatabase(config.databasePath));
  const database = cleanUp.adopt(openDatabase(config.databasePath), (opened) => opened.close());
  const stores = createStores(database.db);
  const vault = createVault(secrets.encryptionKey);
  await requireKey(stores, vault);
  const installationId = await stores.installation.keep('id', newId);
  const drivers = cleanUp.use(await loadDrivers(config, backends, installationId));

  const events = createEvents();
  const streams = createOpenStreams(events);
  const accounts = accountsService({
    users: stores.users,
    events,
    signup: { open: config.signup.open, ...(secrets.inviteCode !== undefined && { inviteCode: secrets.inviteCode }) },
    sessionTtlSeconds: config.session.ttlSeconds,
    now,
  });
  const keys = keysService({ keys: stores.keys, events, now });
  const credentials = credentialsService({ settings: stores.settings, backends, vault, now });
  const addresses = addressesService({ backends, drivers, internalPort, listenOn });
  const runners = runnersService({
    installationId,
    homesRoot: config.homesRoot,
    seedsRoot: config.seedsRoot,
    addresses,
    hostPath: (path) => hostPath(config, path),
    readyTimeoutMs: config.readyTimeoutMs,
    runners: stores.runners,
    users: stores.users,
    backends,
    drivers,
    credentials,
    vault,
    events,
    now,
  });
  const agents = agentsService({ agents: stores.agents, backends, now });
  const conversations = conversationsService({ conversations: stores.conversations, events, now });
  const generations = generationsService({
    conversations: stores.conversations,
    agents: stores.agents,
    backends,
    runners,
    credentials,
    events,
    now,
  });
  const images = imagesService({ backends, drivers });
  const idle = idleService({ settings: stores.settings, backends, limits: config.idle });

  if (config.bootstrapAdmin && secrets.bootstrapAdminPassword !== undefined) {
    await accounts.bootstrapAdmin({ ...config.bootstrapAdmin, password: secrets.bootstrapAdminPassword });
  }
  await generations.endOrphans();
  const adoption = adoptionService({ runners, rows: stores.runners, agents: stores.agents, backends, drivers, vault });
  await adoption.run();

  const stopping = new AbortController();
  const watches = cleanUp.use(createWatches({ drivers, runners, signal: stopping.signal }));
  watches.follow();
  backends.watch(
    () => {
      if (backends.problem) processLog.error({ problem: backends.problem }, 'backends.refused');
      else processLog.info({ backends: backends.all().map(({ name }) => name) }, 'backends.reloaded');
      watches.follow();
    },
    (changed) => drivers.ensureFor(changed),
  );
  cleanUp.use(every(config.reaperIntervalMs, () => sweep({ runners, idle, backends })));
  cleanUp.use(every(KEYS_FLUSH_MS, keys.flush));
  cleanUp.use(every(ADOPTION_RETRY_MS, () => Promise.all([adoption.run(), addresses.reachAll()])));
  // Not awaited: a platform that is slow to answer keeps nobody from the page.
  void addresses.reachAll();

  // In the background: nobody waits for an image that nobody asked for.
  if (config.prepullAtStartup) void images.prepullAll(stopping.signal);

  const owned = cleanUp.move();
  return {
    config,
    startedAtMs: now(),
    installationId,
    database,
    stores,
    backends,
    drivers,
    events,
    streams,
    accounts,
    keys,
    credentials,
    agents,
    runners,
    conversations,
    generations,
    images,
    idle,

    /** One pass of the reaper, as its clock does it. */
    sweep: () => sweep({ runners, idle, backends }),

    /** Takes back runners of drivers that were silent or not there at boot, as its clock does it. */
    adopt: () => adoption.run(),

    /** Ends streams and answers properly and lets go of everything. Runners stay (law 2). */
    async [Symbol.asyncDispose](): Promise<void> {
      stopping.abort();
      streams.closeAll();
      await generations.interruptAll();
      await runners.close();
      await keys.flush();
      await runners.flush();
      await owned.disposeAsync();
    },
  };
}

/** A database whose secrets cannot be opened is told at start, not at the first message. */
async function requireKey(stores: Stores, vault: Vault): Promise<void> {
  if (isKeyOf(vault, await stores.installation.keep('key_check', () => sealCheck(vault)))) return;
  throw new WrongKeyError();
}

/** The database was made under another encryption key. */
export class WrongKeyError extends Error {
  override readonly name = 'WrongKeyError';
  constructor() {
    super(
      'ENCRYPTION_KEY is not the one this database was made with, so nothing in it can be opened.\n' +
        'Put the former key back (it was in .env), or move the database away to begin anew.',
    );
  }
}

/** A path below the data root as the container engine's host has it, when the router itself runs in a container. */
function hostPath({ dataRoot, hostStackRoot }: Config, path: string): string {
  const below = relative(dataRoot, path);
  return below.startsWith('..') ? path : join(hostStackRoot, below);
}

function loadDrivers(config: Config, backends: BackendRegistry, installationId: string): Promise<DriverRegistry> {
  const services = (driver: string): DriverServices => {
    const stateDir = join(config.dataRoot, 'drivers', driver);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    return {
      installationId,
      installationLabel: INSTALLATION_LABEL,
      stateDir,
      ...(config.portRange && { portRange: config.portRange }),
      log: (level, event, fields = {}) => driversLog[level]({ driver, ...fields }, event),
    };
  };
  return DriverRegistry.load({
    ...(config.driversDir !== undefined && { driversDir: config.driversDir }),
    packagesFrom: dirname(config.backendsPath),
    options: config.driverOptions,
    backends: backends.all(),
    services,
  });
}

/** Does `work` again and again, never two at once, until disposed. */
function every(intervalMs: number, work: () => Promise<unknown>): AsyncDisposable {
  let running: Promise<unknown> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = work()
      .catch((error: unknown) => processLog.error({ err: error }, 'clock.failed'))
      .finally(() => {
        busy = false;
      });
  }, intervalMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
