/**
 * `bun run dev`: runs the router from its sources, and restarts it when a source changes. Passes arguments to Bun (`bun
 * run dev --inspect`). Runners go on and are adopted, as after every restart.
 */
import { watch } from 'node:fs';
import { join } from 'node:path';
import pretty from 'pino-pretty';
import { repositoryRoot } from '../router/config/root';

/** Does not watch `backends.json` and seeds, because the router itself reads them again. */
const FOLDERS = ['router', 'views', 'drivers'];
const SOURCE = /\.(tsx?|css|js|svg|sql)$/;
/** Waits this long, so that an editor which saves several files causes one restart. */
const SETTLE_MS = 50;

const bunArguments = process.argv.slice(2);
const log = pretty({
  messageKey: 'event',
  ignore: 'area',
  translateTime: 'SYS:HH:MM:ss.l',
  singleLine: true,
  sync: true,
});

let child = start();
let settling: Timer | undefined;
/** One restart at a time: two routers would need the same ports. */
let restarting = Promise.resolve();
let isStopping = false;

function start() {
  const command = [process.execPath, ...bunArguments, join(repositoryRoot, 'router/main.ts')];
  const router = Bun.spawn(command, { cwd: repositoryRoot, stdout: 'pipe', stderr: 'inherit', stdin: 'ignore' });
  void show(router.stdout);
  return router;
}

async function show(output: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of output) log.write(decoder.decode(bytes, { stream: true }));
}

async function restart(file: string): Promise<void> {
  process.stdout.write(`\n${file} changed\n`);
  const before = child;
  before.kill('SIGTERM');
  await before.exited;
  if (!isStopping) child = start();
}

for (const folder of FOLDERS) {
  watch(join(repositoryRoot, folder), { recursive: true }, (_, file) => {
    if (file === null || !SOURCE.test(file)) return;
    clearTimeout(settling);
    settling = setTimeout(() => {
      restarting = restarting.then(() => restart(join(folder, file)));
    }, SETTLE_MS);
  });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    isStopping = true;
    child.kill('SIGTERM');
    await child.exited;
    process.exit(0);
  });
}
