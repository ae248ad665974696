/**
 * Fuzzing with a time limit: a property is tested with inputs of one seed until its seconds are over. The seed is
 * printed, so that a failure can be repeated: `bun run fuzz --seed 123 --only json`. A fault that a fuzzer finds gets a
 * named test beside the fixed code.
 */
import { test } from 'bun:test';
import fc from 'fast-check';

/** Short on a person's machine, half a minute in CI, whose whole run has 45 minutes, and hours with `bun run fuzz --seconds 3600`. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? (process.env.CI === 'true' ? 30 : 5));
/**
 * CI repeats the inputs of one seed; `bun run fuzz` tries new seeds. Where the seconds are over before `CI_INPUTS_MAX`, a faster
 * machine tries more of them, and may find a fault that no change brought.
 */
const CI_SEED = 20_261_127;
const CI_INPUTS_MAX = 20_000;
const isContinuousIntegration = process.env.CI === 'true';
const SEED = Number(process.env.FUZZ_SEED ?? (isContinuousIntegration ? CI_SEED : Math.floor(Math.random() * 2 ** 31)));

interface Fuzzer<T> {
  readonly inputs: fc.Arbitrary<T>;
  /** Throws if the rule is broken. */
  rule(input: T): Promise<void> | void;
}

/** Registers a fuzzer as a test; `rule` is a sentence that holds for every input. */
export function fuzz<T>(rule: string, { inputs, rule: check }: Fuzzer<T>): void {
  test(
    rule,
    async () => {
      let tries = 0;
      const property = fc.asyncProperty(inputs, async (input) => {
        tries++;
        await check(input);
      });
      // Lets the event loop run between two inputs, so that errors in callbacks of an input appear.
      await fc.assert(
        property.beforeEach(() => new Promise((resolve) => setImmediate(resolve))),
        {
          seed: SEED,
          numRuns: isContinuousIntegration ? CI_INPUTS_MAX : Number.POSITIVE_INFINITY,
          interruptAfterTimeLimit: SECONDS * 1000,
          markInterruptAsFailure: false,
          endOnFailure: SECONDS < 10,
        },
      );
      process.stderr.write(`fuzz: ${tries} inputs of seed ${SEED}: ${rule}\n`);
    },
    SECONDS * 1000 + 120_000,
  );
}

/** Text of all kinds: ASCII, any Unicode, control characters, and characters with a meaning for parsers. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .array(
      fc.constantFrom(
        '\r',
        '\n',
        '\0',
        '"',
        "'",
        '\\',
        '$',
        '{',
        '}',
        '<',
        '>',
        '&',
        '[',
        ']',
        '\u2028',
        '\ufdfa',
        'a',
        ' ',
        ':',
        '#',
      ),
      {
        maxLength: 60,
      },
    )
    .map((parts) => parts.join('')),
);

/** JSON values of every shape, also deep and wide ones. */
const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.nat(2_000).map((depth) => nested(depth, (inner) => [inner])),
  fc.nat(2_000).map((depth) => nested(depth, (inner) => ({ a: inner }))),
  anyText,
);

function nested(depth: number, around: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = around(value);
  return value;
}

/** `value` with one of its members, at any depth, replaced, removed or added. */
export function mutated(value: unknown): fc.Arbitrary<unknown> {
  const places = placesIn(value);
  return fc
    .tuple(fc.constantFrom(...places), fc.constantFrom('replace', 'remove', 'add'), anyText, anyJson)
    .map(([place, how, name, other]) => change(structuredClone(value), place, { how, name, other }));
}

function placesIn(value: unknown, at: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...at, name]))];
}

function change(
  value: unknown,
  [name, ...rest]: readonly string[],
  by: { how: string; name: string; other: unknown },
): unknown {
  if (name === undefined) {
    if (by.how !== 'add' || typeof value !== 'object' || value === null || Array.isArray(value)) return by.other;
    return { ...value, [by.name]: by.other };
  }
  const holder = value as Record<string, unknown>;
  if (rest.length === 0 && by.how === 'remove') delete holder[name];
  else holder[name] = change(holder[name], rest, by);
  return holder;
}
