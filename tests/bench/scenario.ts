/** What a scenario is: a named measurement with tables of its own. */
import type { Options } from './options';
import type { Place, Results, Sample } from './results';
import type { Rig, Subject } from './subjects';

/** A column of a table: one value for each round. */
export interface Column {
  readonly title: string;
  readonly digits: number;
  values(results: Results, place: Place): readonly number[];
}

export interface Table {
  readonly name: string;
  readonly title: string;
  /** Title of the column that says what varies; absent where nothing does. */
  readonly load?: string;
  readonly note: string;
  readonly columns: readonly Column[];
}

export interface Bench {
  readonly options: Options;
  readonly rig: Rig;
  readonly results: Results;
  /** One line of progress. */
  say(text: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly tables: readonly Table[];
  run(bench: Bench): Promise<void>;
}

/** A metric as it was measured. */
export function plain(title: string, metric: string, digits: number): Column {
  return { title, digits, values: (results, place) => results.values(place, metric) };
}

/** What a proxy adds to what the runner takes by itself. */
export function added(title: string, metric: string, digits: number): Column {
  return { title, digits, values: (results, place) => results.added(place, metric) };
}

/** How many times another subject's value it is. */
export function ratio(title: string, metric: string, other: string): Column {
  return { title, digits: 2, values: (results, place) => results.ratio(place, metric, other) };
}

/**
 * Measures every subject under every load, all of them in turn, round by round: what disturbs one disturbs all. A round that
 * would go on beyond the time of the table, by what the longest one took, is not begun.
 */
export async function alternate<Load>(
  { options, results, say }: Bench,
  plan: {
    readonly table: string;
    readonly loads: readonly Load[];
    /** @param round from 1 on. */
    readonly subjects: (load: Load, round: number) => readonly Subject[];
    readonly nameOf: (load: Load) => string;
    readonly measure: (subject: Subject, load: Load) => Promise<Sample>;
    /** For all rounds together. */
    readonly mostMs: number;
  },
): Promise<void> {
  const begunMs = performance.now();
  let longestMs = 0;
  for (let round = 1; round <= options.rounds; round += 1) {
    const roundMs = performance.now();
    if (round > 1 && roundMs - begunMs + longestMs > plan.mostMs) {
      say(`${plan.table}: no time for round ${round} of ${options.rounds}`);
      return;
    }
    for (const load of plan.loads) {
      say(`${plan.table} ${plan.nameOf(load)}, round ${round} of ${options.rounds}`);
      for (const subject of plan.subjects(load, round)) {
        const sample = await plan.measure(subject, load);
        if (sample.failures) say(`  ${subject.name}: ${sample.failures} failures`);
        results.add({ table: plan.table, load: plan.nameOf(load), subject: subject.name }, sample);
      }
    }
    longestMs = Math.max(longestMs, performance.now() - roundMs);
  }
}
