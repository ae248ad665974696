/** Passwords are hashed in threads that give way to the event loop. */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { createHashing } from '../../router/accounts/passwords/hashing';
import { AppError } from '../../router/lib/errors';

const hashing = createHashing(2);
/** As `bun run import` brings it: the hash of "green-bicycle-9". */
const BCRYPT = Bun.password.hashSync('green-bicycle-9', { algorithm: 'bcrypt', cost: 4 });

/** The niceness of each thread of this process: the 19th field of its line, the 17th after its name. */
function niceness(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const line = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

test('a hash is argon2id, matches its own password only, and hashes of the predecessor are compared too', async () => {
  const [hash, other] = await Promise.all([hashing.hash('green-bicycle-9'), hashing.hash('green-bicycle-9')]);
  expect(hash).toStartWith('$argon2id$v=19$m=19456,t=2,p=1$');
  expect(hash).not.toBe(other);
  const answers = [
    hashing.verify('green-bicycle-9', hash),
    hashing.verify('green-bicycle-8', hash),
    hashing.verify('green-bicycle-9', BCRYPT),
    hashing.verify('green-bicycle-8', BCRYPT),
  ];
  expect(await Promise.all(answers)).toEqual([true, false, true, false]);
});

test('something that is no hash is refused, and the next password is compared', async () => {
  await expect(hashing.verify('green-bicycle-9', 'nothing')).rejects.toThrow('could not be hashed');
  expect(await hashing.verify('green-bicycle-9', BCRYPT)).toBe(true);
});

test.skipIf(process.platform !== 'linux')('the kernel prefers the event loop to the threads that hash', async () => {
  await hashing.hash('green-bicycle-9');
  const own = getPriority(process.pid);
  expect(niceness()).toContain(Math.min(19, own + 10));
  // The priority of the process itself stays.
  expect(niceness().filter((nice) => nice === own).length).toBeGreaterThan(1);
});

test('a machine that is too busy to hash a password is said to be so, and is no fault of the router', async () => {
  await expect(createHashing(1, 0).hash('a-password')).rejects.toMatchObject({
    code: 'overloaded',
    message: 'This machine is too busy to check a password: it took longer than 0 s. Try again in a moment.',
  });
});

test('a thread that cannot start is no sign of a busy machine', async () => {
  const hashing = createHashing(1, 30_000, '/nowhere/hashing-worker.ts');
  const thrown = await hashing.hash('a-password').catch((error: unknown) => error);
  expect(thrown).not.toBeInstanceOf(AppError);
  expect(String(thrown)).toContain('no thread could be started');
});
