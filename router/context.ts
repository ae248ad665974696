/** Builds everything once and owns its end: database, stores, drivers, services. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type DriverServices, INSTALLATION_LABEL } from '../drivers/driver';
import { accountsService } from './accounts/accounts';
import { rateLimitsService } from './accounts/key-limits';
import { keysService } from './accounts/keys';
import { keysStore } from './accounts/keys-store';
import { usersStore } from './accounts/store';
import { agentsService } from './agents/agents';
import { homesHealth } from './agents/home-check';
import { idleService } from './agents/idle';
import { idleStore } from './agents/idle-store';
import { agentsStore } from './agents/store';
import { BackendRegistry } from './backends/backends';
import { createHops } from './broker/hops';
import { upstreamsService } from './broker/upstreams';
import { conversationsService } from './chat/conversations';
import { generationsService } from './chat/generations';
import { conversationsStore } from './chat/store';
import type { Config, Secrets } from './config/config';
import { credentialsService } from './credentials/credentials';
import { settingsStore } from './credentials/store';
import type { Db } from './database/database';
import { lockDatabase, openDatabase } from './database/database';
import { installationStore } from './database/installation-store';
import { sealedStore } from './database/sealed-store';
import { openVault } from './database/sealing';
import { Allowance } from './lib/allowance';
import { createEvents } from './lib/events';
import { driversLog, processLog } from './lib/log';
import { every, steadyMs } from './lib/time';
import { metricsService } from './metrics/metrics';
import { systemLookup, upstreamAddresses } from './net/address-policy';
import { proxyChooser } from './net/proxies';
import { createIdempotency } from './openai/idempotency';
import { DriverRegistry } from './platforms/drivers';
import { platformsService } from './platforms/health';
import { imagesService } from './platforms/images';
import { addressesService } from './platforms/router-address';
import { adoptionService } from './runners/adoption';
import { installationAt } from './runners/installation';
import { sweep } from './runners/reaper';
import { runnersService } from './runners/runners';
import { runnersStore } from './runners/store';
import { createWatches } from './runners/watch';
import { budgetsService } from './usage/budgets';
import { budgetsStore } from './usage/budgets-store';
import { limitsService } from './usage/limits';
import { meteringService } from './usage/metering';
import { pricesService } from './usage/prices';
import { usageService } from './usage/reports';
import { usageStore } from './usage/store';
import { createOpenStreams } from './web/open-streams';
import { renderingService } from './web/rendering';
import { text } from './web/respond';

const KEYS_FLUSH_MS = 10_000;
/** What was opened with a key that expires ends within seconds (law 20). */
const KEYS_EXPIRE_MS = 1_000;
/** How often answers that were kept unasked are looked through for those whose time is over. */
const EXPIRED_MS = 60_000;
/** How often platforms are asked for what they have not told. */
const PLATFORMS_MS = 5_000;

export type Context = Awaited<ReturnType<typeof createContext>>;

export interface ContextOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  /** The port at which the internal listener will answer, and how it is made to listen on one more address. */
  readonly internalPort: number;
  readonly listenOn: (host: string) => void;
  /** Milliseconds since the epoch, for dates. */
  readonly now?: () => number;
  /** Milliseconds that only ever grow, for durations; by default those of `now` where it is given. */
  readonly steady?: () => number;
}

/**
 * Resolves when runners of an earlier life have been taken back and answers that a crash left open are closed; nothing
 * listens yet. Throws when a setting, `backends.json`, a driver or the database is not in order.
 */
export async function createContext({ config, secrets, internalPort, listenOn, ...clocks }: ContextOptions) {
  const { now = Date.now, steady = clocks.now ?? steadyMs } = clocks;
  await using cleanUp = new AsyncDisposableStack();
  const backends = cleanUp.use(BackendRegistry.load(config.backendsPath));
  cleanUp.use(lockDatabase(config.databasePath));
  const database = cleanUp.adopt(openDatabase(config.databasePath), (opened) => opened.close());
  const stores = createStores(database.db);
  const vault = await openVault(stores, secrets.encryptionKey, secrets.previousEncryptionKey);
  const installationId = await installationAt(hostPath(config, config.databasePath), stores, placeCheck(config));
  const drivers = cleanUp.use(
    await loadDrivers(config, {
      backends,
      installationId,
      withRunners: (await stores.runners.list()).map(({ driver }) => driver),
    }),
  );

  const events = createEvents();
  const metrics = metricsService();
  const held = new Allowance(config.held);
  const requests = new Allowance(config.requests);
  const streams = createOpenStreams(events, requests);
  const idempotency = createIdempotency({ now: steady, maxAnswerBytes: config.maxAnswerBytes });
  const accounts = accountsService({
    users: stores.users,
    events,
    signup: { open: config.signup.open, ...(secrets.inviteCode !== undefined && { inviteCode: secrets.inviteCode }) },
    sessionTtlSeconds: config.session.ttlSeconds,
    now,
  });
  const keys = keysService({ keys: stores.keys, events, now });
  const credentials = credentialsService({ settings: stores.settings, users: stores.users, backends, vault, now });
  const prices = pricesService({ usage: stores.usage });
  const budgets = budgetsService({
    budgets: stores.budgets,
    usage: stores.usage,
    unwritten: () => metering.unwritten(),
    now,
  });
  const rateLimits = rateLimitsService({ now: steady });
  const limiters = [budgets, rateLimits];
  const metering = meteringService({ usage: stores.usage, prices, counters: limiters, metrics, now });
  await Promise.all([prices.load(), budgets.load()]);
  events.subscribeToAll((_, event) => {
    if (event.kind !== 'revoked') return;
    budgets.forget(event.credentialId);
    rateLimits.forget(event.credentialId);
  });
  const limits = limitsService({ limiters, prices });
  const ownPorts = [config.public.port, internalPort];
  const upstreams = upstreamsService({
    credentials,
    addresses: upstreamAddresses({
      policy: upstreamPolicy(config, secrets, ownPorts, drivers),
      lookup: systemLookup,
      now: steadyMs,
    }),
  });
  const usage = usageService({
    usage: stores.usage,
    users: stores.users,
    agents: stores.agents,
    keys: stores.keys,
    backends,
    flush: metering.flush,
    now,
  });
  const platforms = platformsService({ drivers, events });
  const images = imagesService({ backends, drivers, platforms, events, now: steady });
  const addresses = addressesService({ backends, drivers, internalPort, listenOn });
  const runners = runnersService({
    installationId,
    homesRoot: config.homesRoot,
    seedsRoot: config.seedsRoot,
    addresses,
    hostPath: (path) => hostPath(config, path),
    readyTimeoutMs: config.readyTimeoutMs,
    limits: config.capacity,
    runners: stores.runners,
    users: stores.users,
    backends,
    drivers,
    platforms,
    images,
    credentials,
    vault,
    events,
    metrics,
    now,
    steady,
  });
  const agents = agentsService({ agents: stores.agents, backends, now });
  const conversations = conversationsService({ conversations: stores.conversations, events, now });
  const generations = generationsService({
    conversations: stores.conversations,
    agents: stores.agents,
    backends,
    runners,
    credentials,
    budgets,
    events,
    metrics,
    held,
    requests,
    maxAnswerBytes: config.maxAnswerBytes,
    now,
  });
  const rendering = cleanUp.use(renderingService({ copyCode: text.copy.code }));
  const idle = idleService({ idle: stores.idle, backends, limits: config.idle });
  const homes = homesHealth({ homesRoot: config.homesRoot, backends });

  if (config.bootstrapAdmin && secrets.bootstrapAdminPassword !== undefined) {
    await accounts.bootstrapAdmin({ ...config.bootstrapAdmin, password: secrets.bootstrapAdminPassword });
  }
  // What a runner was given in its environment changes only with the runner.
  credentials.onChange(runners.valuesChanged);
  await generations.endOrphans();
  const adoption = adoptionService({ runners, rows: stores.runners, agents: stores.agents, backends, drivers, vault });
  const stopping = new AbortController();
  await Promise.all([adoption.run(), platforms.check(stopping.signal)]);

  const watches = cleanUp.use(createWatches({ drivers, runners, signal: stopping.signal }));
  watches.follow();
  backends.watch(
    () => {
      if (backends.problem) processLog.error({ problem: backends.problem }, 'backends.refused');
      else processLog.info({ backends: backends.all().map(({ name }) => name) }, 'backends.reloaded');
      watches.follow();
      // Which values reach a runner is the backend's to say.
      void runners.valuesChanged();
    },
    (changed) => drivers.ensureFor(changed),
  );
  cleanUp.use(every(config.reaperIntervalMs, () => sweep({ runners, idle, backends })));
  cleanUp.use(every(KEYS_FLUSH_MS, keys.flush));
  cleanUp.use(every(KEYS_EXPIRE_MS, async () => keys.endExpired()));
  cleanUp.use(every(EXPIRED_MS, conversations.deleteExpired));
  cleanUp.use(metrics.watchLoop());
  const prepull = async () => {
    if (config.prepullAtStartup) await images.prepullAll(stopping.signal);
  };
  cleanUp.use(every(PLATFORMS_MS, () => Promise.all([adoption.run(), addresses.reachAll()])));
  cleanUp.use(every(PLATFORMS_MS, () => platforms.check(stopping.signal)));
  // Not awaited: while one image is fetched, the next try of another may be due.
  cleanUp.use(every(PLATFORMS_MS, async () => void prepull()));
  cleanUp.defer(() => images.prepullAll(AbortSignal.abort()));
  // Not awaited: a platform that is slow to answer keeps nobody from the page, and nobody waits for an image that nobody
  // asked for.
  void addresses.reachAll();
  void prepull();

  const owned = cleanUp.move();
  return {
    config,
    now,
    startedAtMs: now(),
    installationId,
    database,
    stores,
    backends,
    drivers,
    platforms,
    events,
    metrics,
    held,
    streams,
    idempotency,
    accounts,
    keys,
    credentials,
    upstreams,
    hops: createHops(),
    prices,
    metering,
    limits,
    budgets,
    rateLimits,
    usage,
    agents,
    runners,
    conversations,
    generations,
    rendering,
    images,
    homes,
    idle,

    /** A port that is ours although no setting says so: upstreams are not called there. */
    listensAt: (port: number) => void ownPorts.push(port),

    /** One pass of the reaper, as its clock does it. */
    sweep: () => sweep({ runners, idle, backends }),

    /** Takes back runners of drivers that were silent or not there at boot, as its clock does it. */
    adopt: () => adoption.run(),

    /** Asks the platforms whether they answer, as its clock does it. */
    checkPlatforms: () => platforms.check(stopping.signal),

    /** Ends streams and answers properly and lets go of everything. Runners stay (law 2). */
    async [Symbol.asyncDispose](): Promise<void> {
      stopping.abort();
      streams.closeAll();
      await generations.interruptAll();
      await runners.close();
      await keys.flush();
      await runners.flush();
      await metering.flush();
      await owned.disposeAsync();
    },
  };
}

/** Where users may have the broker call. */
function upstreamPolicy(config: Config, secrets: Secrets, ownPorts: readonly number[], drivers: DriverRegistry) {
  const { allowPrivateUpstreams, publicUrl } = config;
  return {
    allowPrivate: allowPrivateUpstreams,
    ownPorts,
    ...(publicUrl !== undefined && { ownOrigin: publicUrl }),
    platforms: () => drivers.platformUrls(),
    proxyFor: proxyChooser(secrets.proxies),
  };
}

/** A path below the data root as the container engine's host has it, when the router itself runs in a container. */
function hostPath({ dataRoot, hostStackRoot }: Config, path: string): string {
  const below = relative(dataRoot, path);
  return below.startsWith('..') ? path : join(hostStackRoot, below);
}

/** A router in a container cannot look at its host's folders, and takes what it cannot see for a copy. */
function placeCheck({ dataRoot, hostStackRoot }: Config): (path: string) => boolean {
  return dataRoot === hostStackRoot ? existsSync : () => true;
}

function loadDrivers(
  config: Config,
  about: { backends: BackendRegistry; installationId: string; withRunners: readonly string[] },
): Promise<DriverRegistry> {
  const { backends, installationId, withRunners } = about;
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
    withRunners,
    services,
  });
}

/** All stores over one database. */
export type Stores = ReturnType<typeof createStores>;

export function createStores(db: Db) {
  return {
    installation: installationStore(db),
    users: usersStore(db),
    keys: keysStore(db),
    agents: agentsStore(db),
    idle: idleStore(db),
    runners: runnersStore(db),
    conversations: conversationsStore(db),
    settings: settingsStore(db),
    sealed: sealedStore(db),
    usage: usageStore(db),
    budgets: budgetsStore(db),
  };
}
