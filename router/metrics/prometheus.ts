/**
 * The metrics as a collector reads them: names, what they mean, and the text format of Prometheus. Nothing of this is
 * loaded or made before somebody asks.
 */
import { type BackendNumbers, type Histogram, type Numbers, type Sample, START_STAGES } from './counters';

/** What is not counted but looked at when somebody asks. */
export interface Live {
  readonly backends: { all(): readonly { readonly name: string }[] };
  readonly drivers: { names(): readonly string[] };
  /** By the driver's name; also of those that could not be loaded. */
  readonly platforms: { problems(): Readonly<Record<string, string>> };
  readonly runners: { census(): Census };
  readonly streams: { readonly size: number };
  readonly generations: { readonly size: number };
}

export interface Census {
  /** One for each agent that has or had a runner. */
  readonly states: readonly { readonly backend: string; readonly state: string }[];
  readonly queuedStarts: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Sample[];
}

/** An agent without a runner is nothing to watch; one whose runner could not be started is. */
const STATES = ['starting', 'running', 'stopping', 'unknown', 'paused', 'failed'];

export async function textOf(numbers: Numbers, live: Live): Promise<string> {
  // Loaded at the start of the router, it would cost more than all routes do.
  const [{ AggregatorRegistry }, { version }] = await Promise.all([
    import('prom-client'),
    import('../../package.json'),
  ]);
  const each: Each = (samples) => [...numbers.byBackend].flatMap(([backend, one]) => samples(one, { backend }));
  const families = [...ofAnswers(each), ...ofRunners(each), ...ofNow(live), ...ofProcess(numbers, version)];
  // Made for the numbers of several processes; here they are those of one.
  return AggregatorRegistry.aggregate([families]).metrics();
}

type Each = (samples: (one: BackendNumbers, labels: { backend: string }) => readonly Sample[]) => readonly Sample[];

/** What is passed on: to users from runners, and to runners from upstreams. */
function ofAnswers(each: Each): readonly Family[] {
  const times = (name: string, help: string, of: (one: BackendNumbers) => Histogram) =>
    family('histogram', name, help, (full) => each((one, labels) => of(one).samples(full, labels)));
  return [
    family(
      'counter',
      'relayed_requests_total',
      'Requests to runners that have ended, of /v1 and of the chat. The status is that of the answer, or of the error in its place.',
      () => each((one, labels) => one.relayed.endings(labels)),
    ),
    times(
      'relay_first_byte_seconds',
      'From a request until its runner begins to answer, its start included.',
      (one) => one.relayed.firstByte,
    ),
    times('relay_duration_seconds', 'From a request to the end of its answer.', (one) => one.relayed.duration),
    family(
      'counter',
      'broker_calls_total',
      'Calls of runners to the LLM API that have ended. The status is that of the answer, or of the error in its place.',
      () => each((one, labels) => one.upstream.endings(labels)),
    ),
    times(
      'broker_first_byte_seconds',
      "From a runner's call until the first byte of the LLM API's answer.",
      (one) => one.upstream.firstByte,
    ),
    times('broker_duration_seconds', "From a runner's call to the end of the answer.", (one) => one.upstream.duration),
    family(
      'counter',
      'tokens_total',
      'Tokens that runners have used, as the LLM API says or as they are guessed.',
      () =>
        each((one, labels) => [
          { labels: { ...labels, kind: 'prompt' }, value: one.promptTokens },
          { labels: { ...labels, kind: 'completion' }, value: one.completionTokens },
        ]),
    ),
  ];
}

/** How runners come and go. */
function ofRunners(each: Each): readonly Family[] {
  return [
    family(
      'counter',
      'runner_starts_total',
      'Starts of runners that have ended: ok, failed with the code of the error, or stopped before they were through.',
      () => each((one, labels) => one.starts.samples(labels)),
    ),
    family(
      'histogram',
      'runner_start_duration_seconds',
      'Of starts that went well: from the first wish for a runner until it is ready, its time in the queue included.',
      (name) => each((one, labels) => one.startDuration.samples(name, labels)),
    ),
    family(
      'histogram',
      'runner_start_stage_duration_seconds',
      'Of what starts were through with: waiting for their turn, preparing, fetching the image, starting, waiting for readiness.',
      (name) =>
        each((one, labels) =>
          START_STAGES.flatMap((stage) => one.stages.get(stage)?.samples(name, { ...labels, stage }) ?? []),
        ),
    ),
    family(
      'counter',
      'runner_stops_total',
      'Runners that have ended: asked, idle, stale (their values changed), room (for another), or by themselves: exited, out_of_memory, vanished.',
      () => each((one, labels) => one.stops.samples(labels)),
    ),
    family('counter', 'adopted_runners_total', 'Runners that were taken back after a restart of the router.', () =>
      each((one, labels) => [{ labels, value: one.adopted }]),
    ),
  ];
}

function ofNow({ backends, drivers, platforms, runners, streams, generations }: Live): readonly Family[] {
  const { states, queuedStarts } = runners.census();
  const counted = new Map<string, number>();
  for (const { backend, state } of states) {
    const kind = `${state} ${backend}`;
    counted.set(kind, (counted.get(kind) ?? 0) + 1);
  }
  const names = new Set([...backends.all().map(({ name }) => name), ...states.map(({ backend }) => backend)]);
  const problems = platforms.problems();
  const driverNames = new Set([...drivers.names(), ...Object.keys(problems)]);
  const gauge = (name: string, help: string, value: number) =>
    family('gauge', name, help, () => [{ labels: {}, value }]);
  return [
    family('gauge', 'runners', 'Runners now, by state. Those that wait for their turn to start are starting.', () =>
      [...names].flatMap((backend) =>
        STATES.map((state) => ({ labels: { backend, state }, value: counted.get(`${state} ${backend}`) ?? 0 })),
      ),
    ),
    gauge('queued_starts', 'Starts that wait for their turn now.', queuedStarts),
    gauge(
      'open_streams',
      'What is under way now and would be cut by an end of the router: requests, calls of runners, live pages.',
      streams.size,
    ),
    gauge('live_generations', 'Answers that are being written into conversations now.', generations.size),
    family(
      'gauge',
      'driver_up',
      'Whether the platform of a driver answers: 1, or 0 with a problem that /healthz tells.',
      () => [...driverNames].map((driver) => ({ labels: { driver }, value: driver in problems ? 0 : 1 })),
    ),
  ];
}

/** Those with names of the field are what its dashboards look for. */
function ofProcess({ signIns, lag }: Numbers, version: string): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const one = (value: number) => [{ labels: {}, value }];
  return [
    family('counter', 'sign_ins_total', 'Tries to sign in: ok, or the code of the error.', () => signIns.samples()),
    family('histogram', 'event_loop_lag_seconds', 'How late a clock that ticks once a second was.', (name) =>
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
