/**
 * The counters of the metrics. They are plain numbers, so that a request costs about ten additions, 45 ns; `prom-client`
 * would hash labels at each of them (decision 0023). `prometheus.ts` makes metric names and text when the metrics are
 * collected.
 */
import type { Ending } from '../relay/relay';

type Labels = Readonly<Record<string, string>>;

/** One sample: one line in the text format of Prometheus. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Set when the name differs from that of the metric family: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** Histogram bounds in seconds. An answer takes milliseconds, or minutes when the agent works on a task. */
const ANSWER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const START_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
export const LAG_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** A histogram of durations in seconds. */
export class Histogram {
  /** Observations per bucket: above the previous bound and up to this bound. The last bucket counts those above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds in seconds, ascending. */
  constructor(readonly bounds: readonly number[]) {
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0);
  }

  observe(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    // The default `Infinity` ends the search after the last bound.
    while (seconds > (this.bounds[at] ?? Number.POSITIVE_INFINITY)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += seconds;
  }

  samples(name: string, labels: Labels): readonly Sample[] {
    let count = 0;
    const buckets = this.#counts.map((one, at) => {
      count += one;
      const le = at < this.bounds.length ? String(this.bounds[at]) : '+Inf';
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** Counters for infrequent events, by the values of one or several labels. */
export class Counts<Names extends string> {
  readonly #all = new Map<string, { readonly labels: Readonly<Record<Names, string>>; value: number }>();

  /** @param known label values that start at 0. Without them `rate` and `increase` would miss the first event. */
  constructor(known: readonly Readonly<Record<Names, string>>[] = []) {
    for (const labels of known) this.add(labels, 0);
  }

  add(labels: Readonly<Record<Names, string>>, by = 1): void {
    const key = JSON.stringify(labels);
    const count = this.#all.get(key) ?? { labels, value: 0 };
    count.value += by;
    this.#all.set(key, count);
  }

  samples(labels: Labels = {}): readonly Sample[] {
    return [...this.#all.values()].map((one) => ({ labels: { ...labels, ...one.labels }, value: one.value }));
  }
}

/** Status classes. The index is the first digit of the status; index 0 means no status. */
const CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'];
/** Each ending with the status classes that are listed even while their count is 0. */
const ENDINGS: readonly (readonly [Ending, ...classes: string[]])[] = [
  ['done', '2xx', '4xx', '5xx'],
  ['stopped', 'none', '2xx'],
  ['failed', '2xx', '4xx', '5xx'],
];

/** How an answer has ended. Times are milliseconds since its request began. */
export interface EndedAnswer {
  readonly ending: Ending;
  /** Of the answer, or of the error that replaced it; undefined when the request was stopped before either. */
  readonly status: number | undefined;
  /** Undefined when no byte of an answer has come. */
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
}

/** Counters of answers that the router has passed on: from runners to users, or from upstreams to runners. */
class PassedAnswers {
  readonly #ended: Readonly<Record<Ending, number[]>> = { done: zeros(), stopped: zeros(), failed: zeros() };
  readonly firstByte = new Histogram(ANSWER_SECONDS);
  readonly duration = new Histogram(ANSWER_SECONDS);

  /** Called for every request: only additions here. */
  count({ ending, status, firstByteMs, totalMs }: EndedAnswer): void {
    const counts = this.#ended[ending];
    const at = status === undefined ? 0 : Math.trunc(status / 100);
    counts[at] = (counts[at] ?? 0) + 1;
    if (firstByteMs !== undefined) this.firstByte.observe(firstByteMs);
    this.duration.observe(totalMs);
  }

  endings(labels: Labels): readonly Sample[] {
    return ENDINGS.flatMap(([ending, ...usual]) =>
      CLASSES.map((status, at) => ({
        labels: { ...labels, ending, status },
        value: this.#ended[ending][at] ?? 0,
      })).filter(({ value, labels: { status } }) => value > 0 || usual.includes(status)),
    );
  }
}

function zeros(): number[] {
  return CLASSES.map(() => 0);
}

/** The timed stages of a start, in their order. */
export const START_STAGES = ['queued', 'creating', 'image_pull', 'starting', 'health_wait'] as const;

/** The counters of one backend. */
export class BackendNumbers {
  readonly relayed = new PassedAnswers();
  readonly upstream = new PassedAnswers();
  promptTokens = 0;
  completionTokens = 0;
  readonly starts = new Counts<'outcome' | 'code'>([
    { outcome: 'ok', code: '' },
    { outcome: 'failed', code: 'runner_failed' },
    { outcome: 'failed', code: 'start_timeout' },
    { outcome: 'failed', code: 'driver_unavailable' },
  ]);
  readonly startDuration = new Histogram(START_SECONDS);
  readonly stages = new Map<string, Histogram>(START_STAGES.map((stage) => [stage, new Histogram(START_SECONDS)]));
  readonly stops = new Counts<'cause'>(
    ['asked', 'idle', 'room', 'stale', 'exited', 'out_of_memory', 'vanished'].map((cause) => ({ cause })),
  );
  adopted = 0;
  readonly callbacks = new Counts<'outcome' | 'code'>([
    ...['stored', 'passed_on', 'repeated'].map((outcome) => ({ outcome, code: '' })),
    ...['invalid_request', 'too_large', 'too_many_requests', 'not_found', 'conflict'].map((code) => ({
      outcome: 'refused',
      code,
    })),
  ]);
}

/** Times one start, from the first request for a runner until the runner is ready or the start has failed. */
export class StartWatch {
  readonly #begunMs = performance.now();
  #stage: string | undefined;
  #enteredMs = 0;

  constructor(readonly numbers: BackendNumbers) {}

  /** Records the duration of the previous stage and begins `stage`. */
  enter(stage: string): void {
    if (stage === this.#stage) return;
    const nowMs = performance.now();
    if (this.#stage !== undefined) this.numbers.stages.get(this.#stage)?.observe(nowMs - this.#enteredMs);
    this.#stage = stage;
    this.#enteredMs = nowMs;
  }

  ready(): void {
    this.enter('ready');
    this.numbers.starts.add({ outcome: 'ok', code: '' });
    this.numbers.startDuration.observe(performance.now() - this.#begunMs);
  }

  /** @param isStopped the start was stopped, or no request waited for it any more. */
  failed(code: string, isStopped: boolean): void {
    this.numbers.starts.add({ outcome: isStopped ? 'stopped' : 'failed', code });
  }
}

export interface Numbers {
  readonly byBackend: ReadonlyMap<string, BackendNumbers>;
  readonly signIns: Counts<'outcome'>;
  readonly lag: Histogram;
}
