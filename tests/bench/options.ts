/** The command line of `bun run bench`. */
import { parseArgs } from 'node:util';

export const USAGE = `A whole run takes at most 20 minutes, and some more the first time, when it makes a large database and installs the peers.

bun run bench [--quick] [--only <scenario>]... [--rounds <n>] [--litellm] [--data <directory>] [--write <file>]
bun run bench --profile <router|recording> [--only <scenario>]

  --quick         two minutes, for a look: one round of few loads and short windows; nothing is written
  --only          one scenario; may be given several times. Nothing is written
  --rounds        how often each measurement is taken, where its time allows it; by default 3
  --litellm       with LiteLLM's proxy as another peer, installed from PyPI: 560 MB, once
  --data          the data root of \`bun run big-database --backend bench\`; by default tmp/big-database, where one is made
  --write         the file for the report, with a chart beside it; docs/performance.md after a whole run
  --profile       only the router, or only the router recording, with a CPU profile in tmp/bench-profile; of the
                  requests unless --only names something else`;

export interface Options {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly withLitellm: boolean;
  /** Names of scenarios; all when it is empty. */
  readonly only: readonly string[];
  /** Relative to the working directory. */
  readonly reportPath?: string;
  /** Of a large database. */
  readonly dataRoot?: string;
  /** What is profiled, and where to. */
  readonly profile?: Profile;
}

export interface Profile {
  readonly what: 'router' | 'recording';
  readonly directory: string;
}

const REPORT_PATH = 'docs/performance.md';
const PROFILE_DIR = 'tmp/bench-profile';

/** @param known names of scenarios. Throws a sentence for the terminal. */
export function readOptions(args: readonly string[], known: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      litellm: { type: 'boolean', default: false },
      data: { type: 'string' },
      write: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const { quick: isQuick, profile: what, only, litellm: withLitellm } = values;
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`There is no scenario ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
  if (what !== undefined && what !== 'router' && what !== 'recording') {
    throw new Error('--profile wants router or recording.');
  }
  const isProfile = what !== undefined;
  const rounds = Number(values.rounds ?? (isProfile || isQuick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a whole number from 1 on.');
  const isWhole = !isQuick && !isProfile && only.length === 0;
  const reportPath = values.write ?? (isWhole ? REPORT_PATH : undefined);
  return {
    isQuick,
    rounds,
    withLitellm,
    only: isProfile && only.length === 0 ? ['requests'] : only,
    ...(values.data !== undefined && { dataRoot: values.data }),
    ...(reportPath !== undefined && { reportPath }),
    ...(what !== undefined && { profile: { what, directory: PROFILE_DIR } }),
  };
}
