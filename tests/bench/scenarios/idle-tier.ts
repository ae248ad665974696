/** What the next message waits for after its runner was idle: stopped, paused (`PAUSE_IDLE_SECONDS`) or left as it was. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOnEngine } from '../../real/runtimes/image';
import { realBackend } from '../../real/runtimes/people';
import { REAL_RUNTIMES, realRuntime } from '../../real/runtimes/runtimes';
import { containedBackend } from '../../support/contained';
import { engineAvailable, engineHost, removeInstallation } from '../../support/engine';
import { testImage } from '../../support/image';
import { installationOf } from '../../support/installation';
import { startUpstream } from '../../support/upstream';
import type { Options } from '../options';
import { cleanAtEnd } from '../processes';
import { type OtherRunner, type RouterUnderTest, startRouter } from '../router';
import { alternate, plain, ratio, type Scenario } from '../scenario';
import { CHAT_PATH, MODEL } from '../script';

export const IDLE_TIER = 'idle tier';
export const DEMO = 'the demo agent';
/** In the order in which one runner goes through them. */
export const STOPPED = 'stopped';
export const WARM = 'left as it was';
export const PAUSED = 'paused';
const STATES = [STOPPED, WARM, PAUSED];
const WARM_TIMES = 5;
const POLL_MS = 50;
const MOST_MS = 120_000;

/** A router with one kind of runner. */
interface Hosted {
  readonly name: string;
  readonly router: RouterUnderTest;
}

export const idleTier: Scenario = {
  name: 'idle-tier',
  tables: [
    {
      name: IDLE_TIER,
      title: 'The next message after idle time',
      load: 'runner',
      note: 'Until the end of a short answer of a runner in a container: one that was stopped and is started for it, one that runs, and one that was paused because it was idle (`PAUSE_IDLE_SECONDS`). The demo agent runs in an image that the bench makes. The real runtimes are measured where `bun run test:runtimes --images` has made their images, with a scripted LLM API behind the broker: nanobot in a whole run, all three with `--only idle-tier`, as OpenClaw starts for half a minute.',
      columns: [plain('ms', 'ms', 0), ratio('× stopped', 'ms', STOPPED), ratio('× left as it was', 'ms', WARM)],
    },
  ],
  async run(bench) {
    const available = await engineAvailable();
    if (available !== true) return bench.say(`idle tier: skipped, because ${available}`);
    await using started = new AsyncDisposableStack();
    const hosted: Hosted[] = [];
    for (const { name, runner } of await runners(bench.options, started)) {
      bench.say(`idle tier: starting ${name}`);
      hosted.push({ name, router: started.use(await startRouter({ other: runner })) });
    }
    await alternate(bench, {
      table: IDLE_TIER,
      loads: hosted,
      subjects: ({ router }) =>
        STATES.map((name) => ({ name, port: router.server.port, headers: {}, server: router.server, isPeer: false })),
      nameOf: ({ name }) => name,
      measure: async ({ name }, { router }) => ({ ms: await measure(router, name) }),
      mostMs: MOST_MS,
    });
  },
};

/** The demo agent, and the real runtimes whose images are on the engine and for which there is time. */
async function runners({ isQuick, only }: Options, started: AsyncDisposableStack) {
  const seeds = await mkdtemp(join(tmpdir(), 'agent-stack-bench-seeds-'));
  started.defer(() => rm(seeds, { recursive: true, force: true }));
  const upstream = started.use(startUpstream());
  const onServe = (dataRoot: string) => {
    const id = installationOf(dataRoot);
    if (id !== undefined) cleanAtEnd(() => removeInstallation(id));
  };
  const shared = { upstream, onServe };
  const env = { DOCKER_HOST: engineHost, PAUSE_IDLE_SECONDS: '1', REAPER_INTERVAL_SECONDS: '0.2' };
  const own = await containedBackend('demo', { image: await testImage(), seeds });
  const variables = { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] };
  const demo = { ...shared, backend: { ...own, ...variables, name: MODEL }, env: { ...env, SEEDS_ROOT: seeds } };
  const all: { name: string; runner: OtherRunner }[] = [{ name: DEMO, runner: demo }];
  const real = only.length > 0 ? REAL_RUNTIMES : [realRuntime('nanobot')];
  for (const runtime of isQuick ? [] : real) {
    const { image } = runtime.recipe;
    const backend = { ...realBackend(runtime, image), name: MODEL };
    if (await isOnEngine(image)) all.push({ name: runtime.title, runner: { ...shared, backend, env } });
  }
  return all;
}

async function measure(router: RouterUnderTest, state: string): Promise<number> {
  if (state === STOPPED) await router.stopRunner();
  if (state === PAUSED) await untilPaused(router);
  // A runner that was just started answers its first turns more slowly than the others.
  if (state === WARM) for (let time = 1; time < WARM_TIMES; time += 1) await ask(router);
  const askedMs = performance.now();
  await ask(router);
  return performance.now() - askedMs;
}

/** In words that the demo agent answers at once. */
async function ask({ server, key }: RouterUnderTest): Promise<void> {
  const answer = await fetch(server.url + CHAT_PATH, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'echo hello' }] }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The router refused with ${answer.status}: ${text}`);
}

async function untilPaused({ server, cookie }: RouterUnderTest): Promise<void> {
  for (;;) {
    const answer = await fetch(`${server.url}/api/runners`, { headers: { cookie } });
    const { runners } = (await answer.json()) as { runners: { state: string }[] };
    if (runners.some((one) => one.state === 'paused')) return;
    await Bun.sleep(POLL_MS);
  }
}
