/**
 * Holds a router to 512 MB of memory while it is sent the worst that is known, from several clients at once, and somebody
 * who behaves chats: `bun run soak [--minutes 30] [--only <attack>]…`. Prints figures, and ends with 1 where an answer of
 * theirs has failed or the router has ended.
 */

import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NO_ENGINE, type RouterProcess, startRouterProcess } from '../support/process';
import { agentOf } from './chat';
import { ATTACKS, MALLORY, type World } from './soak/attacks';
import { memoryGroup, mostResident } from './soak/cgroup';
import { serveAttacks } from './soak/runner';
import { type Behaved, behave } from './soak/user';

const MEBIBYTE = 1_048_576;
const MEMORY_BYTES = 512 * MEBIBYTE;
/** Attacks under way at once. */
const CLIENTS = 4;
const MINUTES = 30;
const ROOT = join(import.meta.dir, '../..');

interface SoakOptions {
  readonly seconds: number;
  /** Names of `ATTACKS`. */
  readonly attacks: readonly string[];
  say(text: string): void;
}

export interface Figures extends Behaved {
  /** Of the process, and of its control group with the cache of files. */
  readonly residentBytes: number;
  readonly groupBytes: number;
  readonly attacks: number;
  /** The attacks that were under way or had ended last when the router ended; empty where it has not. */
  readonly endedAfter: readonly string[];
}

/** The figures, or why it cannot be done here. */
export async function soak({ seconds, attacks, say }: SoakOptions): Promise<Figures | string> {
  const group = memoryGroup(MEMORY_BYTES);
  if (typeof group === 'string') return group;
  await using owned = new AsyncDisposableStack();
  owned.use(group);
  const upstream = await serveAttacks(0);
  owned.defer(() => upstream.close());
  const router = owned.use(
    await startRouterProcess({
      prefix: group.prefix,
      backends: backends(group.outside),
      env: { ...SMALL, DOCKER_HOST: NO_ENGINE },
    }),
  );
  const forwarder = forwardTo(Number(new URL(router.url).port));
  owned.defer(() => void forwarder.close());
  const world = await worldOf(router, upstream.port, forwarder.port);
  const until = performance.now() + seconds * 1000;
  const isOver = () => performance.now() > until || !router.isAlive;
  const recent: string[] = [];
  let count = 0;
  let next = 0;
  const attacking = Array.from({ length: CLIENTS }, async () => {
    while (!isOver()) {
      const name = attacks[next++ % attacks.length] ?? '';
      recent.push(name);
      await ATTACKS[name]?.run(world).catch(() => undefined);
      count += 1;
      if (recent.length > CLIENTS * 2) recent.shift();
    }
  });
  const reporting = setInterval(() => say(`${count} attacks, ${toMb(mostResident(router.pid))} at most`), 60_000);
  let residentBytes = 0;
  const sample = () => {
    residentBytes = Math.max(residentBytes, mostResident(router.pid) || 0);
  };
  const sampling = setInterval(sample, 500);
  const alice = await router.signIn();
  const behaved = await behave(alice, router.url, isOver);
  clearInterval(reporting);
  clearInterval(sampling);
  sample();
  const isAlive = router.isAlive;
  await Promise.all(attacking);
  if (!isAlive) say(router.output().slice(-4_000));
  const groupBytes = group.mostUsed();
  return { ...behaved, residentBytes, groupBytes, attacks: count, endedAfter: isAlive ? [] : recent };
}

/** What docs/limits.md says for a machine with half a gigabyte. */
const SMALL = {
  ALLOW_SIGNUP: 'true',
  MAX_BODY_BYTES: '8388608',
  MAX_ANSWER_BYTES: '4194304',
  MAX_HELD_BYTES: '33554432',
  MAX_HELD_BYTES_PER_USER: '16777216',
  MAX_REQUESTS: '400',
  MAX_REQUESTS_PER_USER: '64',
  LOG_LEVEL: 'error',
};

/** The agents run outside of the group: their memory is not the router's. */
function backends(outside: readonly string[]): Record<string, unknown>[] {
  const agent = (name: string, main: string, more: object = {}) => ({
    ...{ name, driver: 'process', trusted: true, cmd: [...outside, 'bun', join(ROOT, main)] },
    ...more,
  });
  const llm = { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'], health_path: '/healthz' };
  return [
    agent('demo', 'backends/demo/main.ts', { health_path: '/healthz', history: 'last-turn' }),
    agent('evil', 'tests/real/soak/runner.ts', { paths: ['chat/completions'], history: 'last-turn' }),
    agent('direct', 'backends/direct/main.ts', { ...llm, history: 'last-turn' }),
    agent('looped', 'backends/direct/main.ts', { ...llm, history: 'last-turn' }),
  ];
}

async function worldOf(router: RouterProcess, upstreamPort: number, forwarderPort: number): Promise<World> {
  const mallory = await router.signIn(MALLORY);
  const key = await mallory.createKey();
  const values = { LLM_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`, LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
  await mallory.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  await mallory.request('/api/me/env-overrides', {
    method: 'PUT',
    body: { values: { LLM_API_KEY: key }, backend: 'looped' },
  });
  const agents = { evil: await agentOf(mallory, 'evil'), direct: await agentOf(mallory, 'direct') };
  return { url: router.url, mallory, key, agents, forwarderPort };
}

/** Passes every connection on: an address at which nobody would expect the router. */
function forwardTo(port: number): { port: number; close(): void } {
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    for (const socket of [from, to]) socket.on('error', () => socket.destroy());
    from.pipe(to).pipe(from);
  });
  server.listen(0, '127.0.0.1');
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, close: () => server.close() };
}

export function toMb(bytes: number): string {
  return `${Math.round(bytes / MEBIBYTE)} MB`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: String(MINUTES) },
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const attacks = values.only.length > 0 ? values.only : Object.keys(ATTACKS);
  const unknown = attacks.filter((name) => !(name in ATTACKS));
  if (unknown.length > 0)
    throw new Error(`There is no attack ${unknown.join(', ')}. There are:\n${Object.keys(ATTACKS).join('\n')}`);
  const figures = await soak({ seconds: Number(values.minutes) * 60, attacks, say: console.log });
  if (typeof figures === 'string') {
    console.log(`Not run: ${figures}.`);
    return;
  }
  const { residentBytes, groupBytes, ...rest } = figures;
  console.log({ ...rest, resident: toMb(residentBytes), group: toMb(groupBytes) });
  process.exit(figures.failures.length === 0 && figures.endedAfter.length === 0 ? 0 : 1);
}

if (import.meta.main) await main();
