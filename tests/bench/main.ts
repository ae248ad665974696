/**
 * `bun run bench`: what the router costs, measured against a bare pass-through, no proxy at all and a peer, in turn, on
 * this machine. Starts and ends everything it needs; listens on loopback only.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { chart } from './chart';
import { machineFacts, requireFiles } from './machine';
import { type Options, readOptions, USAGE } from './options';
import { endAll, pinMyself } from './processes';
import { report } from './report';
import { Results } from './results';
import type { Scenario } from './scenario';
import { aborts } from './scenarios/aborts';
import { agents } from './scenarios/agents';
import { agree } from './scenarios/agree';
import { browser } from './scenarios/browser';
import { data } from './scenarios/data';
import { idleTier } from './scenarios/idle-tier';
import { page as pageStream } from './scenarios/page';
import { requests } from './scenarios/requests';
import { signIns } from './scenarios/sign-ins';
import { slowReader } from './scenarios/slow-reader';
import { coldStart, startUp } from './scenarios/start';
import { streams } from './scenarios/streams';
import { startRig } from './subjects';

/** Those that restart what they measure come last. */
const SCENARIOS: readonly Scenario[] = [
  ...[
    requests,
    streams,
    agents,
    pageStream,
    browser,
    agree,
    signIns,
    slowReader,
    aborts,
    startUp,
    coldStart,
    idleTier,
    data,
  ],
];

const say = (text: string) => void process.stderr.write(`${text}\n`);

async function main(options: Options, stopped: Promise<never>): Promise<void> {
  requireFiles();
  const machine = machineFacts();
  pinMyself();
  const { profile, only, withLitellm, reportPath } = options;
  if (profile) await mkdir(profile.directory, { recursive: true });
  const results = new Results();
  const chosen = SCENARIOS.filter(({ name }) => only.length === 0 || only.includes(name));
  {
    await using rig = await startRig({ profile, withLitellm, say });
    for (const scenario of chosen) await Promise.race([scenario.run({ options, rig, results, say }), stopped]);
  }
  if (profile) say(`The profile is in ${profile.directory}.`);
  const drawn = chart(results);
  const chartPath = drawn === undefined ? undefined : reportPath?.replace(/(\.md)?$/, '.svg');
  const tables = chosen.flatMap(({ tables }) => tables);
  const page = report({ results, tables, machine, options, date: new Date(), chartPath });
  process.stdout.write(page);
  if (reportPath === undefined) return;
  await mkdir(dirname(reportPath), { recursive: true });
  await writeFile(reportPath, page);
  if (chartPath !== undefined) await writeFile(chartPath, drawn ?? '');
  say(`Written to ${reportPath}.`);
}

/** Rejects on the first signal, so that what was started is ended on the way out. */
function signalled(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(`Stopped by ${signal}.`)));
    }
  });
}

if (process.argv.includes('--help')) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
try {
  const stopped = signalled();
  stopped.catch(() => undefined);
  const names = SCENARIOS.map(({ name }) => name);
  await main(readOptions(process.argv.slice(2), names), stopped);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await endAll();
  process.exit();
}
