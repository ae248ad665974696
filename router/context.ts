/** Builds everything once and owns its end. Each subject makes its own parts in its `wire.ts`. */

import { wireAccounts } from './accounts/wire';
import { wireAdmin } from './admin/wire';
import { emptyTrash } from './agents/trash';
import { wireAgents } from './agents/wire';
import { auditService } from './audit/audit';
import { BackendRegistry } from './backends/backends';
import { backupSchedule } from './backup/schedule';
import { wireBroker } from './broker/wire';
import { wireChat } from './chat/wire';
import type { Config } from './config/config';
import type { Secrets } from './config/secrets';
import { credentialsService } from './credentials/credentials';
import { createCheckpoints } from './database/checkpoints';
import { lockDatabase, openDatabase } from './database/database';
import { openVault } from './database/sealing';
import { homeFiles } from './files/home-files';
import { createEvents } from './lib/events';
import { processLog } from './lib/log';
import { every, steadyMs } from './lib/time';
import { metricsService } from './metrics/metrics';
import { createIdempotency } from './openai/idempotency';
import { hostPaths } from './platforms/host-paths';
import { wirePlatforms } from './platforms/wire';
import { createWatches } from './runners/health/watch';
import { installationAt } from './runners/installation';
import { SAMPLE_MS } from './runners/loads';
import { wireRunners } from './runners/wire';
import { wireSchedules } from './schedules/wire';
import { createStores } from './stores';
import { deleteOldCalls } from './usage/retention';
import { wireUsage } from './usage/wire';
import type { RenderingTimes } from './web/rendering/rendering';
import { wireWeb } from './web/wire';

/** Milliseconds between two writes of when keys and sessions were last used. */
const LAST_USES_MS = 10_000;
/** Milliseconds after which at the latest the streams of an expired key end (law 20). */
const KEYS_EXPIRE_MS = 1_000;
/** Milliseconds between two searches for expired data: answers, single calls, homes of deleted agents. */
const EXPIRED_MS = 60_000;
/** Milliseconds between two looks whether a checkpoint of the database is due: at most 8 MB are written meanwhile. */
const CHECKPOINT_MS = 1_000;
/** Milliseconds between two looks for messages that the search index does not have. */
const INDEX_MS = 5_000;
/** Milliseconds between two looks whether a backup is due. */
const BACKUP_MS = 2_000;
/** Milliseconds between two looks whether a schedule is due. */
const SCHEDULES_MS = 2_000;
/** Milliseconds between two checks of the platforms. */
const PLATFORMS_MS = 5_000;

interface ContextOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  /** The port of the internal listener, and how to make it listen on one more address. */
  readonly internalPort: number;
  readonly listenOn: (host: string) => boolean;
  /** Milliseconds since the epoch, for dates. */
  readonly now?: () => number;
  /** Milliseconds of a clock that is never set, for durations; by default that of `now` where it is given. */
  readonly steady?: () => number;
  /** How long Markdown may take; the service's own limits by default. */
  readonly renderingTimes?: RenderingTimes;
}

export type Context = Awaited<ReturnType<typeof createContext>>;

/**
 * Resolves when the runners of an earlier life are adopted and the answers that a crash left open are closed; nothing
 * listens yet. Throws when a setting, `backends.json`, a driver or the database is not in order.
 */
export async function createContext(options: ContextOptions) {
  await using cleanUp = new AsyncDisposableStack();
  const parts = await wire(options, cleanUp);
  const stopping = new AbortController();
  await begin(parts, options, { owned: cleanUp, stopping: stopping.signal });
  const owned = cleanUp.move();
  const { streams, generations, runners, keys, sessions, metering } = parts;
  return {
    ...parts,

    /** Ends streams and answers properly and lets go of everything. Runners stay (law 2). */
    async [Symbol.asyncDispose](): Promise<void> {
      stopping.abort();
      streams.closeAll();
      // All at the same time, because the time to stop is short: they wait for the database, for LLM APIs and for platforms.
      const ends = await Promise.allSettled([generations.interruptAll(), parts.titles.close(), runners.close()]);
      for (const end of ends) if (end.status === 'rejected') processLog.error({ err: end.reason }, 'end.failed');
      // A database that refuses one of them keeps no other from being written, nor anything from being let go.
      for (const { flush } of [keys, sessions, runners, metering]) {
        await flush().catch((error: unknown) => processLog.error({ err: error }, 'flush.failed'));
      }
      await owned.disposeAsync();
    },
  };
}

/** Makes every part: first what all subjects share, then each subject from those above it. */
async function wire(options: ContextOptions, owned: AsyncDisposableStack) {
  const { config, secrets, now = Date.now, steady = options.now ?? steadyMs } = options;

  const backends = owned.use(BackendRegistry.load(config.backendsPath));
  owned.use(lockDatabase(config.databasePath));
  const database = owned.adopt(openDatabase(config.databasePath, config.backups.root), (opened) => opened.close());
  const checkpoints = owned.use(createCheckpoints(database, config.databasePath));
  const stores = createStores(database.db);
  const vault = await openVault(stores, secrets.encryptionKey, secrets.previousEncryptionKey);
  const host = hostPaths(config);
  const installationId = await installationAt(host.of(config.databasePath), stores, host.has);
  const backups = backupSchedule({ ...config.backups, places: config, now });
  const events = createEvents();
  const metrics = metricsService(steady);
  const base = { config, stores, backends, vault, installationId, events, metrics, now, steady };
  const shared = { ...options, ...base };

  const web = wireWeb(shared, owned);
  const audit = auditService({ store: stores.audit, retentionDays: config.auditRetentionDays, now });
  const accounts = wireAccounts(shared);
  const platforms = await wirePlatforms(shared, owned);
  await accounts.userLimits.load();
  const agents = wireAgents({ ...shared, ...accounts });
  const credentials = credentialsService({ settings: stores.settings, users: stores.users, backends, vault, now });
  const usage = await wireUsage({ ...shared, ...accounts });
  const runners = wireRunners({ ...shared, ...accounts, ...platforms, ...agents, credentials, host });
  const broker = wireBroker({ ...shared, ...platforms, ...usage, credentials });
  const chat = wireChat({ ...shared, ...web, ...usage, ...runners, ask: broker.ask, credentials, owned });
  const schedules = wireSchedules({ ...shared, ...web, ...agents, ...chat });
  const others = { ...accounts, ...agents, ...usage, ...runners, ...chat, ...platforms, ...web };
  const admin = wireAdmin({ ...shared, ...others, audit, credentials }, owned);
  const idempotency = createIdempotency({ held: web.held, now: steady, maxAnswerBytes: config.maxAnswerBytes });

  return {
    ...base,
    ...{ backups, checkpoints, database, startedAtMs: now() },
    ...web,
    audit,
    ...accounts,
    ...platforms,
    ...agents,
    files: homeFiles({ homesRoot: config.homesRoot }),
    credentials,
    ...usage,
    ...runners,
    ...broker,
    ...chat,
    ...schedules,
    ...admin,
    idempotency,
  };
}

/** Does the work that must be done before the first answer, and starts the work that the router then does by itself. */
async function begin(
  parts: Awaited<ReturnType<typeof wire>>,
  { config, secrets }: ContextOptions,
  { owned, stopping }: { owned: AsyncDisposableStack; stopping: AbortSignal },
): Promise<void> {
  const { accounts, addresses, backends, conversations, drivers, images, keys, metrics, platforms, runners } = parts;
  if (config.bootstrapAdmin && secrets.bootstrapAdminPassword !== undefined) {
    await accounts.bootstrapAdmin({ ...config.bootstrapAdmin, password: secrets.bootstrapAdminPassword });
  }
  await parts.generations.endOrphans();
  await Promise.all([parts.adopt(), platforms.check(stopping)]);

  const watches = owned.use(createWatches({ drivers, runners, signal: stopping }));
  watches.follow();
  backends.watch(
    () => {
      const served = backends.all().map(({ name }) => name);
      if (backends.problem) processLog.error({ problem: backends.problem, stillServed: served }, 'backends.refused');
      else processLog.info({ backends: served }, 'backends.reloaded');
      watches.follow();
      // Which values reach a runner is the backend's to say.
      void runners.valuesChanged();
    },
    (changed) => drivers.ensureFor(changed),
  );

  const repeat = (intervalMs: number, work: () => unknown) => owned.use(every(intervalMs, async () => work()));
  // Not awaited below: a platform that is slow to answer must not delay the first page, nor one image the next.
  const prepull = async () => {
    if (config.prepullAtStartup) await images.prepullAll(stopping);
  };
  owned.use(metrics.watchLoop());
  // First, so that it ends last: a deletion under way waits for room in the log.
  repeat(CHECKPOINT_MS, parts.checkpoints.whenDue);
  repeat(config.reaperIntervalMs, parts.sweep);
  repeat(SAMPLE_MS, parts.loads.sample);
  repeat(LAST_USES_MS, () => Promise.all([keys.flush(), parts.sessions.flush()]));
  repeat(KEYS_EXPIRE_MS, keys.endExpired);
  repeat(EXPIRED_MS, conversations.deleteExpired);
  repeat(EXPIRED_MS, parts.attachments.sweep);
  repeat(EXPIRED_MS, parts.audit.deleteExpired);
  repeat(EXPIRED_MS, parts.removal.purgeDue);
  const { callsMs, deletedHomesMs } = config.retention;
  if (callsMs < Infinity) repeat(EXPIRED_MS, () => deleteOldCalls(parts.stores.usage, parts.now() - callsMs));
  if (deletedHomesMs < Infinity) repeat(EXPIRED_MS, () => emptyTrash(config.homesRoot, parts.now() - deletedHomesMs));
  repeat(SCHEDULES_MS, parts.schedules.runDue);
  repeat(INDEX_MS, () => parts.search.indexAll(stopping));
  repeat(PLATFORMS_MS, () => Promise.all([parts.adopt(), addresses.reachAll()]));
  repeat(PLATFORMS_MS, () => platforms.check(stopping));
  repeat(PLATFORMS_MS, () => void prepull());
  repeat(BACKUP_MS, () => parts.backups.whenDue(stopping));
  owned.defer(images.close);
  void addresses.reachAll();
  void prepull();
}
