/**
 * Starts the command of an entry as a process of this machine, with the environment that the process driver and the
 * router set.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Entry } from './asking';
import type { Running } from './cases';
import type { Model } from './model';

const REPOSITORY = resolve(import.meta.dir, '../..');
/** The router replaces this placeholder by the folder of `backends.json`. */
const FOLDER = /\$\{BACKENDS_DIR\}/g;

interface CommandOptions {
  /** Empty: the runner gets no access key and must refuse to start. */
  readonly accessKey: string;
  readonly apiKeyEnv: string;
  /** Path of the seed that is copied into the home. */
  readonly seed?: string;
}

/** Resolves when the process listens on its port. Rejects when it ends before that. */
export async function startCommand(entry: Entry, model: Model, options: CommandOptions): Promise<Running> {
  const home = await mkdtemp(join(tmpdir(), 'agent-stack-backend-'));
  if (options.seed !== undefined) await Bun.$`cp -R ${options.seed}/. ${home}`.quiet();
  const port = freePort();
  const [program = '', ...args] = (entry.cmd ?? []).map((part) => part.replace(FOLDER, REPOSITORY));
  const child = Bun.spawn([program === 'bun' ? process.execPath : program, ...args], {
    cwd: home,
    env: {
      ...{ HOST: '127.0.0.1', PORT: String(port), HOME: home, AGENT_HOME: home, PATH: process.env.PATH ?? '' },
      ...{ LLM_BASE_URL: model.url, LLM_API_KEY: model.key, LLM_MODEL: model.name },
      ...{ AGENT_USER_NAME: 'Ada', AGENT_USER_ID: 'ada', AGENT_STACK_AGENT_ID: 'agent' },
      [options.apiKeyEnv]: options.accessKey,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const remove = () => rm(home, { recursive: true, force: true });
  const url = `http://127.0.0.1:${port}`;
  while (!(await isListening(url))) {
    if (child.exitCode === null) continue;
    await remove();
    throw new Error(`${entry.name} ended with exit code ${child.exitCode} before it listened`);
  }
  return {
    url,
    accessKey: options.accessKey,
    async terminate() {
      child.kill('SIGTERM');
      return child.exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
      await remove();
    },
  };
}

const isListening = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => Bun.sleep(20).then(() => false),
  );

function freePort(): number {
  using listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  return listener.port;
}
