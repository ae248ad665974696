/**
 * Builds the text that a collector reads: names, help texts and values in the text format of Prometheus. The library is
 * loaded and the text is built only when the metrics are collected.
 */
import { type BackendNumbers, type Histogram, type Numbers, type Sample, START_STAGES } from './counters';

/** Values that are read when the metrics are collected, instead of being counted. */
export interface Live {
  readonly backends: { all(): readonly { readonly name: string }[] };
  readonly drivers: { names(): readonly string[] };
  /** Driver name → problem, including drivers that could not be loaded. */
  readonly platforms: { problems(): Readonly<Record<string, string>> };
  readonly runners: { census(): Census };
  readonly streams: { readonly size: number };
  readonly generations: { readonly size: number };
  readonly backups: { lastMadeAtMs(): number | undefined };
}

export interface Census {
  /** Agents that have or had a runner, by backend and state. */
  readonly states: readonly { readonly backend: string; readonly state: string; readonly count: number }[];
  readonly queuedStarts: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Sample[];
}

/** States with a sample. `stopped` has none: an agent without a runner needs no monitoring. */
const STATES = ['starting', 'running', 'stopping', 'unknown', 'paused', 'failed'];

export async function textOf(numbers: Numbers, live: Live): Promise<string> {
  // Loaded here, because at the start of the router prom-client would take longer to load than all routes.
  const [{ AggregatorRegistry }, { version }] = await Promise.all([
    import('prom-client'),
    import('../../package.json'),
  ]);
  const each: Each = (samples) => [...numbers.byBackend].flatMap(([backend, one]) => samples(one, { backend }));
  const families = [...ofAnswers(each), ...ofRunners(each), ...ofNow(live), ...ofProcess(numbers, version)];
  // `aggregate` is made for the metrics of several processes. This router passes those of one process.
  return AggregatorRegistry.aggregate([families]).metrics();
}

type Each = (samples: (one: BackendNumbers, labels: { backend: string }) => readonly Sample[]) => readonly Sample[];

/** Metrics of answers that are passed on: from runners to users, and from upstreams to runners. */
function ofAnswers(each: Each): readonly Family[] {
  const times = (name: string, help: string, of: (one: BackendNumbers) => Histogram) =>
    family('histogram', name, help, (full) => each((one, labels) => of(one).samples(full, labels)));
  return [
    family(
      'counter',
      'relayed_requests_total',
      'Finished requests to runners, from /v1 and from the chat. The status is that of the answer, or of the error that replaced it.',
      () => each((one, labels) => one.relayed.endings(labels)),
    ),
    times(
      'relay_first_byte_seconds',
      'Time from a request until its runner begins to answer, including the start of the runner.',
      (one) => one.relayed.firstByte,
    ),
    times('relay_duration_seconds', 'Time from a request to the end of its answer.', (one) => one.relayed.duration),
    family(
      'counter',
      'broker_calls_total',
      'Finished calls of runners to the LLM API. The status is that of the answer, or of the error that replaced it.',
      () => each((one, labels) => one.upstream.endings(labels)),
    ),
    times(
      'broker_first_byte_seconds',
      "Time from a runner's call until the first byte of the LLM API's answer.",
      (one) => one.upstream.firstByte,
    ),
    times(
      'broker_duration_seconds',
      "Time from a runner's call to the end of the answer.",
      (one) => one.upstream.duration,
    ),
    family(
      'counter',
      'tokens_total',
      'Tokens that runners have used, as the LLM API reports them or, if it does not, as the router estimates them.',
      () =>
        each((one, labels) => [
          { labels: { ...labels, kind: 'prompt' }, value: one.promptTokens },
          { labels: { ...labels, kind: 'completion' }, value: one.completionTokens },
        ]),
    ),
  ];
}

/** Metrics of starts, stops, adoptions and callbacks of runners. */
function ofRunners(each: Each): readonly Family[] {
  return [
    family(
      'counter',
      'runner_starts_total',
      'Finished starts of runners: ok, failed with the code of the error, or stopped before they were complete.',
      () => each((one, labels) => one.starts.samples(labels)),
    ),
    family(
      'histogram',
      'runner_start_duration_seconds',
      'Duration of successful starts, from the first request for a runner until it is ready, including the time in the queue.',
      (name) => each((one, labels) => one.startDuration.samples(name, labels)),
    ),
    family(
      'histogram',
      'runner_start_stage_duration_seconds',
      'Duration of each finished stage of a start: waiting in the queue, preparing, fetching the image, starting, waiting for readiness.',
      (name) =>
        each((one, labels) =>
          START_STAGES.flatMap((stage) => one.stages.get(stage)?.samples(name, { ...labels, stage }) ?? []),
        ),
    ),
    family(
      'counter',
      'runner_stops_total',
      'Runners that have ended. Stopped by the router: asked, idle, stale (settings changed), room (for another runner). Ended by themselves: exited, out_of_memory, vanished.',
      () => each((one, labels) => one.stops.samples(labels)),
    ),
    family('counter', 'adopted_runners_total', 'Runners that were adopted after a restart of the router.', () =>
      each((one, labels) => [{ labels, value: one.adopted }]),
    ),
    family(
      'counter',
      'callbacks_total',
      'Callbacks of runners: stored, passed_on (to open streams only), repeated (stored before), or refused with the code of the error.',
      () => each((one, labels) => one.callbacks.samples(labels)),
    ),
  ];
}

function ofNow({ backends, backups, drivers, platforms, runners, streams, generations }: Live): readonly Family[] {
  const { states, queuedStarts } = runners.census();
  const counted = new Map(states.map(({ backend, state, count }) => [`${state} ${backend}`, count]));
  const names = new Set([...backends.all().map(({ name }) => name), ...states.map(({ backend }) => backend)]);
  const problems = platforms.problems();
  const driverNames = new Set([...drivers.names(), ...Object.keys(problems)]);
  const gauge = (name: string, help: string, value: number | undefined) =>
    family('gauge', name, help, () => (value === undefined ? [] : [{ labels: {}, value }]));
  const backedUpAtMs = backups.lastMadeAtMs();
  return [
    family(
      'gauge',
      'runners',
      'Runners now, by state. A runner whose start waits in the queue counts as starting.',
      () =>
        [...names].flatMap((backend) =>
          STATES.map((state) => ({ labels: { backend, state }, value: counted.get(`${state} ${backend}`) ?? 0 })),
        ),
    ),
    gauge('queued_starts', 'Starts that wait in the queue now.', queuedStarts),
    gauge(
      'open_streams',
      'Requests, calls of runners and live pages that are open now. They would break off if the router stopped.',
      streams.size,
    ),
    gauge(
      'last_backup_timestamp_seconds',
      'When the newest backup was made, in seconds since the epoch.',
      backedUpAtMs && backedUpAtMs / 1000,
    ),
    gauge('live_generations', 'Answers that are being generated in conversations now.', generations.size),
    family(
      'gauge',
      'driver_up',
      'Whether the platform of a driver answers: 1, or 0 with a problem that /healthz reports.',
      () => [...driverNames].map((driver) => ({ labels: { driver }, value: driver in problems ? 0 : 1 })),
    ),
  ];
}

/** Metrics of the process. The names without the prefix `agent_stack_` are the standard names that dashboards use. */
function ofProcess({ signIns, lag }: Numbers, version: string): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const one = (value: number) => [{ labels: {}, value }];
  return [
    family('counter', 'sign_ins_total', 'Attempts to sign in: ok, or the code of the error.', () => signIns.samples()),
    family('histogram', 'event_loop_lag_seconds', 'Delay of a timer that fires once a second.', (name) =>
      lag.samples(name, {}),
    ),
    family('gauge', 'build_info', 'Always 1: the versions of the router and of Bun.', () => [
      { labels: { version, bun: Bun.version }, value: 1 },
    ]),
    standard(
      'counter',
      'process_cpu_seconds_total',
      'User and system CPU time, in seconds.',
      one((user + system) / 1e6),
    ),
    standard('gauge', 'process_resident_memory_bytes', 'Resident memory, in bytes.', one(process.memoryUsage.rss())),
    standard(
      'gauge',
      'process_start_time_seconds',
      'When the process started, in seconds since the epoch.',
      one(performance.timeOrigin / 1000),
    ),
  ];
}

function family(
  type: Family['type'],
  name: string,
  help: string,
  samples: (fullName: string) => readonly Sample[],
): Family {
  const fullName = `agent_stack_${name}`;
  return standard(type, fullName, help, samples(fullName));
}

function standard(type: Family['type'], name: string, help: string, values: readonly Sample[]): Family {
  return { name, help, type, aggregator: 'sum', values };
}
