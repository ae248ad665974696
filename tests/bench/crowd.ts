/**
 * People who sign in, all at the same time and again and again: a process of its own, so that what they cost is not seen as
 * delays of the streams that the bench reads.
 */
import { setPriority } from 'node:os';
import { OTHER_CPU, onCpu, track } from './processes';
import type { RouterUnderTest } from './router';

const PASSWORD = 'a password of a person';
/** Accounts that are made at once: each takes a hash. */
const MADE_AT_ONCE = 4;

/** How many sign-ins had which outcome; `refused` were told to wait. */
interface Tally {
  done: number;
  refused: number;
  failed: number;
}

export interface Crowd extends AsyncDisposable {
  begin(): void;
  /** Nobody begins another sign-in. */
  stop(): void;
  /** Resolves when those under way have ended too. */
  tally(): Promise<Tally>;
}

/** Makes the accounts, where there are none yet, and has everybody wait at the door. */
export async function gather(router: RouterUnderTest, people: number): Promise<Crowd> {
  for (let made = 0; made < people; made += MADE_AT_ONCE) {
    const next = Array.from({ length: MADE_AT_ONCE }, (_, index) => emailOf(made + index));
    await Promise.all(next.map((email) => router.makeUser(email, PASSWORD)));
  }
  const ready = Promise.withResolvers<void>();
  let told = Promise.withResolvers<Tally>();
  const child = track(
    Bun.spawn(onCpu(OTHER_CPU, [process.execPath, '--no-env-file', import.meta.path]), {
      env: { CROWD_PORT: String(router.server.port), CROWD_PEOPLE: String(people) },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'inherit',
      ipc: (message: 'ready' | Tally) => (message === 'ready' ? ready.resolve() : told.resolve(message)),
    }),
  );
  await ready.promise;
  return {
    begin() {
      told = Promise.withResolvers();
      child.send('begin');
    },
    stop: () => child.send('stop'),
    tally: () => told.promise,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

const emailOf = (person: number): string => `person-${person}@example.org`;

async function signInWhile(isOpen: () => boolean, port: string, person: number, tally: Tally): Promise<void> {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': `100.64.${person >> 8}.${person & 255}` },
    body: JSON.stringify({ email: emailOf(person), password: PASSWORD }),
  };
  while (isOpen()) {
    const response = await fetch(`http://127.0.0.1:${port}/auth/login`, request);
    await response.arrayBuffer();
    if (response.ok) tally.done += 1;
    else if (response.status === 429 || response.status === 503) tally.refused += 1;
    else tally.failed += 1;
  }
}

if (import.meta.main) {
  // The runner and the reader of the streams have the same CPU, and come first.
  setPriority(0, 19);
  const { CROWD_PORT: port = '', CROWD_PEOPLE: people } = process.env;
  let isOpen = false;
  process.on('message', async (message) => {
    isOpen = message === 'begin';
    if (!isOpen) return;
    const tally: Tally = { done: 0, refused: 0, failed: 0 };
    const all = Array.from({ length: Number(people) }, (_, person) => signInWhile(() => isOpen, port, person, tally));
    await Promise.all(all);
    process.send?.(tally);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}
