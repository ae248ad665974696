/** Samples of all rounds, and what they say: medians with their spread, what a proxy adds, how it compares. */
import { DIRECT } from './subjects';

/** One measurement: metric to value. What could not be measured is NaN or missing. */
export type Sample = Readonly<Record<string, number>>;

/** Where a sample belongs: the table, the row's load, and who was measured. */
export interface Place {
  readonly table: string;
  /** `64` connections, `flat out`: what varies within a table. */
  readonly load: string;
  readonly subject: string;
}

export class Results {
  readonly #samples = new Map<string, { readonly place: Place; readonly rounds: Sample[] }>();

  add(place: Place, sample: Sample): void {
    const key = keyOf(place);
    const known = this.#samples.get(key) ?? { place, rounds: [] };
    known.rounds.push(sample);
    this.#samples.set(key, known);
  }

  /** In the order in which they were first measured. */
  places(table: string): readonly Place[] {
    return [...this.#samples.values()].map(({ place }) => place).filter((place) => place.table === table);
  }

  /** One value for each round; none where nothing was measured. */
  values(place: Place, metric: string): readonly number[] {
    return this.#rounds(place).map((sample) => sample[metric] ?? Number.NaN);
  }

  /** What it adds to the same metric without a proxy, round by round. */
  added(place: Place, metric: string): readonly number[] {
    return this.#against(place, metric, DIRECT, (value, direct) => value - direct);
  }

  /** How many times another's value it has, round by round. */
  ratio(place: Place, metric: string, other: string): readonly number[] {
    return this.#against(place, metric, other, (value, theirs) => value / theirs);
  }

  #against(place: Place, metric: string, subject: string, compare: (value: number, other: number) => number) {
    const others = this.#rounds({ ...place, subject });
    return this.#rounds(place).map((own, round) => compare(comparable(own, metric), comparable(others[round], metric)));
  }

  #rounds(place: Place): readonly Sample[] {
    return this.#samples.get(keyOf(place))?.rounds ?? [];
  }
}

/** NaN of a round in which something failed: it had less to do. */
function comparable(sample: Sample | undefined, metric: string): number {
  return (sample?.failures ? undefined : sample?.[metric]) ?? Number.NaN;
}

const keyOf = ({ table, load, subject }: Place): string => `${table}\n${load}\n${subject}`;

/** The value below which `share` of them lie, by nearest rank; NaN of none. Sorts a copy. */
export function percentile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle of those that are numbers, the mean of the two middle ones of an even count; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const below = sorted[Math.floor(middle)] ?? Number.NaN;
  return (below + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** How much `values` grow per step: the slope of the straight line with the least squares. */
export function slope(values: readonly number[]): number {
  const meanStep = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [step, value] of values.entries()) {
    above += (step - meanStep) * (value - mean);
    below += (step - meanStep) ** 2;
  }
  return above / below;
}
