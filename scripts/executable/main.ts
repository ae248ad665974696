/**
 * What the executable does: runs the router, or one of the commands of `bun run`. Without settings, the first start makes
 * an `.env` in the working folder, which later starts read.
 */
import { setUpHere } from '../setup';

const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  admin: () => import('../admin'),
  backup: () => import('../backup'),
  doctor: () => import('../doctor').then(({ run }) => run()),
  import: () => import('../import'),
  restore: () => import('../restore'),
  'rotate-key': () => import('../rotate-key').then(({ run }) => run()),
};

async function main(): Promise<void> {
  const [, , command] = process.argv;
  if (command === undefined) return start();
  const run = COMMANDS[command];
  if (!run) {
    const isAsked = command === '--help';
    process[isAsked ? 'stdout' : 'stderr'].write(
      `Usage: agent-stack [${Object.keys(COMMANDS).join(' | ')}]; without a command it runs the router.\n`,
    );
    process.exit(isAsked ? 0 : 1);
  }
  process.argv.splice(2, 1);
  await run();
}

async function start(): Promise<void> {
  if (setUpHere()) {
    // Bun reads `.env` as it starts, so the executable starts again, in this same process.
    process.execve?.(process.execPath, [process.execPath], process.env);
  }
  await import('../../router/main');
}

await main();
