/**
 * Runs every check and test of the repository in turn, and ends with the names of the tests that failed and
 * `agent-stack: N passed, N failed`. `--fast` leaves out tests that start processes, containers and browsers. `bin/test`
 * installs Bun, the packages, a browser and, in CI, an engine first.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { engineAvailable } from '../tests/support/engine';
import { readJunit } from '../tests/support/junit';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Whose tests its report must have. */
  readonly files?: readonly string[];
  /** The reason why the step is skipped. */
  readonly skipReason?: string;
}

interface Outcome {
  readonly step: string;
  readonly ended: 'passed' | 'failed' | 'skipped';
  readonly passed: number;
  /** For people: `<file> > <name>` of each failed test, or why the step itself failed. */
  readonly failures: readonly string[];
  readonly note: string;
}

const usage = `Usage: bin/test [--fast]   runs every check and test of the repository, which takes half an hour on two cores
       --fast             leaves out the tests that start processes, containers and browsers
For one file: bun test ./tests/accounts/sign-in.test.ts`;
const [given, ...further] = process.argv.slice(2);
// Not `readArguments`: this must run whatever is wrong with the sources that it tests.
if (further.length > 0 || (given !== undefined && given !== '--fast')) {
  const isAsked = given === '--help' && further.length === 0;
  process[isAsked ? 'stdout' : 'stderr'].write(`${usage}\n`);
  process.exit(isAsked ? 0 : 1);
}
const isFast = given === '--fast';
const root = resolve(import.meta.dir, '..');
const reports = mkdtempSync(join(tmpdir(), 'agent-stack-tests-'));
const isContinuousIntegration = Bun.env.CI === 'true';

/** `--bun`: the tools are written for node, which may be missing. */
const tool = (name: string, ...args: string[]): string[] => [
  process.execPath,
  '--bun',
  `node_modules/.bin/${name}`,
  ...args,
];

/** How long a step may take to end after SIGTERM, before it is killed. */
const graceMs = 10_000;
/** How long everything may take in CI. The step that runs then is ended, and has failed. */
const wholeMs = 45 * 60_000;

/**
 * How long a test may take that does not say otherwise. Bun's own five seconds end tests of a busy machine that would pass;
 * a longer one only ends later what hangs.
 */
const testMs = 60_000;

/**
 * Processes share the files of a step: while tests of one process wait, the others use the core. Each process loads the router
 * once, and not once for each file, as it would if each file had its own global object.
 */
const together = (processes: number): string[] => [`--parallel=${processes}`, '--no-isolate'];

function bunTest(name: string, files: readonly string[], flags: readonly string[] = []): Step {
  const report = ['--reporter=junit', `--reporter-outfile=${reportOf(name)}`];
  const command = [process.execPath, 'test', `--timeout=${testMs}`, ...flags, ...report, ...files];
  const step = { name, command, files };
  // Without a file argument, `bun test` would run all tests.
  return files.length > 0 ? step : { ...step, command: ['false'] };
}

function browserTest(name: string): Step {
  const command = tool('playwright', 'test', '--config=tests/browser/playwright.config.ts', '--reporter=list,junit');
  const isMissing = !Bun.env.CHROMIUM_PATH && !isContinuousIntegration;
  return { name, command, ...(isMissing && { skipReason: 'no Chromium found: install one or set CHROMIUM_PATH' }) };
}

function steps(isFast: boolean): Step[] {
  const files = [...new Bun.Glob('tests/**/*.test.{ts,tsx}').scanSync({ cwd: root })].sort().map((file) => `./${file}`);
  const isIn = (place: string) => (file: string) => file.startsWith(`./tests/${place}`);
  const isRuntime = (file: string) => /real\/(openclaw|hermes|nanobot)\.test/.test(file);
  const isReal = isIn('real/');
  const isDocker = isIn('drivers/docker');
  const isFuzz = isIn('fuzz/');
  const isFastTest = (file: string) =>
    ![isReal, isDocker, isFuzz, isIn('browser/'), isIn('support/')].some((is) => is(file));
  const fast = [
    { name: 'format and lint', command: tool('biome', 'check', '--error-on-warnings', '.') },
    { name: 'types', command: tool('tsc') },
    // With two processes, half of two cores would be idle.
    bunTest('fast tests', files.filter(isFastTest), together(3)),
  ];
  if (isFast) return fast;
  return [
    ...fast,
    bunTest('fuzz tests', files.filter(isFuzz), together(2)),
    // In one process, because they look at all containers and networks of the engine.
    bunTest('engine tests', files.filter(isDocker)),
    bunTest(
      'real tests',
      files.filter((file) => isReal(file) && !isRuntime(file)),
      together(2),
    ),
    runtimeImages(),
    bunTest('runtime tests', files.filter(isRuntime), together(2)),
    browserTest('browser tests'),
  ];
}

/** An image that was built once stays on the engine, so its tests run from then on. */
function runtimeImages(): Step {
  const command = [process.execPath, 'tests/real/runtimes/run.ts', '--images'];
  const skipReason = 'takes minutes: `bun run test:runtimes` makes them and runs their tests';
  return { name: 'runtime images', command, ...(!isContinuousIntegration && { skipReason }) };
}

function reportOf(step: string): string {
  return join(reports, `${step.replaceAll(' ', '-')}.xml`);
}

let current: Bun.Subprocess | undefined;

async function run({ name, command, files = [], skipReason }: Step): Promise<Outcome> {
  console.log(`\n── ${name}`);
  if (skipReason) return { step: name, ended: 'skipped', passed: 0, failures: [], note: skipReason };
  // Runs the step in a session of its own, so that processes left over by a test end with the step.
  const step = Bun.spawn([...command], {
    cwd: root,
    env: { ...Bun.env, PLAYWRIGHT_JUNIT_OUTPUT_FILE: reportOf(name) },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  current = step;
  const beganMs = performance.now();
  const limit = isContinuousIntegration ? setTimeout(() => endSession(step), wholeMs - beganMs) : undefined;
  const exitCode = await step.exited;
  clearTimeout(limit);
  endSession(step);
  const tests = readJunit(await readOrEmpty(reportOf(name)));
  const count = (ended: string) => tests.filter((test) => test.ended === ended).length;
  const failures = tests.filter(({ ended }) => ended === 'failed').map((test) => `${test.file} > ${test.name}`);
  // A step can fail without a failed test: a file that does not load, a crash, a linter, the time limit.
  if (exitCode !== 0) {
    const seen = new Set(tests.map(({ file }) => join(root, file)));
    const unseen = tests.length > 0 ? files.filter((file) => !seen.has(join(root, file))) : [];
    failures.push(...unseen.map((file) => `${file.slice(2)} > none of its tests ran`));
    if (failures.length === 0)
      failures.push(`${name} > ended with ${step.signalCode ?? exitCode}: see its output above`);
  }
  const passed = count('passed');
  const counts = tests.length === 0 ? '' : `, ${passed} passed, ${failures.length} failed, ${count('skipped')} skipped`;
  const note = `${Math.round((performance.now() - beganMs) / 1000)} s${counts}`;
  return { step: name, ended: failures.length === 0 ? 'passed' : 'failed', passed, failures, note };
}

/** A step that is no test runner, or that crashed, has no report. */
function readOrEmpty(path: string): Promise<string> {
  return Bun.file(path)
    .text()
    .catch(() => '');
}

function endGroup(step: Bun.Subprocess, signal: NodeJS.Signals): void {
  try {
    process.kill(-step.pid, signal);
  } catch {
    // The process group is empty.
  }
}

/** Also what has left the group: each process of `bun test --parallel` begins one of its own. That is found on Linux. */
function endSession(step: Bun.Subprocess): void {
  endGroup(step, 'SIGKILL');
  const pids = process.platform === 'linux' ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  for (const pid of pids) {
    try {
      // Behind the name, which may hold anything: its state, parent, process group and session.
      const [, , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      if (Number(session) === step.pid) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    if (current) {
      // Playwright closes its browsers only on SIGINT.
      endGroup(current, 'SIGINT');
      await Promise.race([current.exited, Bun.sleep(graceMs)]);
      endSession(current);
    }
    rmSync(reports, { recursive: true, force: true });
    process.exit(1);
  });
}

// Starts an engine once if one is needed, and stops it at the end. Without an engine, the tests say what is missing.
if (!isFast) await engineAvailable();
const outcomes: Outcome[] = [];
for (const step of steps(isFast)) outcomes.push(await run(step));
rmSync(reports, { recursive: true, force: true });

console.log('');
for (const { ended, step, note } of outcomes) console.log(`${ended.padEnd(8)} ${step.padEnd(16)} ${note}`.trimEnd());
const failures = outcomes.flatMap((outcome) => outcome.failures);
const passed = outcomes.reduce((total, outcome) => total + outcome.passed, 0);
// Last of all: a CI shows the end of an output.
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`agent-stack: ${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
