/** Turns the state of the whole installation into what the overview shows. */
import { stat, statfs } from 'node:fs/promises';
import pkg from '../../../package.json';
import type { OverviewView } from '../../../views/admin/models';
import type { Config } from '../../config/config';
import type { Database } from '../../database/database';
import { unixSeconds } from '../../lib/time';
import type { MetricsService } from '../../metrics/metrics';
import type { PlatformsService } from '../../platforms/health';
import type { LoadsService } from '../../runners/loads';
import type { RunnersService } from '../../runners/runners';
import type { DiskUseService } from './disk-use';

/** How long an overview serves every page that shows it. */
const KEPT_MS = 1_000;

interface OverviewDeps {
  readonly config: Pick<Config, 'dataRoot' | 'databasePath'>;
  readonly database: Pick<Database, 'migration'>;
  readonly diskUse: Pick<DiskUseService, 'look'>;
  readonly loads: Pick<LoadsService, 'total'>;
  readonly metrics: Pick<MetricsService, 'recentAnswers'>;
  readonly platforms: Pick<PlatformsService, 'problems' | 'versions'>;
  readonly runners: Pick<RunnersService, 'census'>;
  readonly startedAtMs: number;
  readonly steady: () => number;
}

/** @returns the function that gives the overview of now, or of less than a second ago. */
export function overviewOf(deps: OverviewDeps): () => Promise<OverviewView> {
  let known: { readonly view: Promise<OverviewView>; readonly atMs: number } | undefined;
  return () => {
    const nowMs = deps.steady();
    if (!known || nowMs - known.atMs >= KEPT_MS || nowMs < known.atMs) known = { view: overview(deps), atMs: nowMs };
    return known.view;
  };
}

async function overview(deps: OverviewDeps): Promise<OverviewView> {
  const { config, database, diskUse, loads, metrics, platforms, runners, startedAtMs } = deps;
  const { states, queuedStarts } = runners.census();
  const count = (asked: string) => states.reduce((sum, { state, count: one }) => sum + (state === asked ? one : 0), 0);
  const { bavail, blocks, bsize } = await statfs(config.dataRoot);
  const { hour, day } = metrics.recentAnswers();
  const disk = diskUse.look();
  return {
    running: count('running'),
    // Starts that wait in the queue have this state as well.
    starting: Math.max(0, count('starting') - queuedStarts),
    queued: queuedStarts,
    failed: count('failed'),
    ...loads.total(),
    lastHour: hour,
    lastDay: day,
    startedAtMs,
    freeBytes: bavail * bsize,
    diskBytes: blocks * bsize,
    databaseBytes: (await sizeOf(config.databasePath)) + (await sizeOf(`${config.databasePath}-wal`)),
    ...(disk && { disk }),
    versions: { router: pkg.version, bun: Bun.version, schema: database.migration, platforms: platforms.versions() },
    problems: Object.entries(platforms.problems()).map(([platform, message]) => ({ platform, message })),
  };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? 0;
}

/** Times are seconds since the epoch, sizes bytes. */
export function overviewJson(view: OverviewView) {
  const { disk, lastHour, lastDay, versions } = view;
  return {
    runners: { running: view.running, starting: view.starting, queued: view.queued, failed: view.failed },
    cpu_percent: view.cpuPercent,
    memory_bytes: view.memoryBytes,
    answers: { hour: lastHour, day: lastDay, since: unixSeconds(view.startedAtMs) },
    disk: {
      ...{ free_bytes: view.freeBytes, total_bytes: view.diskBytes, database_bytes: view.databaseBytes },
      ...{ homes_bytes: disk?.homesBytes ?? null, data_bytes: disk?.dataBytes ?? null },
      measured_at: disk ? unixSeconds(disk.atMs) : null,
      complete: disk?.isWhole ?? null,
    },
    versions,
    problems: view.problems,
  };
}
