/** LiteLLM's proxy as a peer: installed once from PyPI into ~/.cache/agent-stack, in an environment of its own. */

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import { PROXY_CPU, Server } from './processes';
import { MODEL } from './script';

const VERSION = '1.83.0';
const DIRECTORY = join(homedir(), '.cache/agent-stack', `litellm-${VERSION}`);
const MAIN = join(DIRECTORY, 'bin/litellm');
const INSTALL_MS = 300_000;
const KEY = 'sk-bench';

const LITELLM = `LiteLLM ${VERSION}`;

/** What a request to it needs. */
export const LITELLM_HEADERS: Readonly<Record<string, string>> = { authorization: `Bearer ${KEY}` };

/** The server, not started. Undefined where it cannot be had. @param say told why. */
export async function litellmServer(runnerPort: number, say: (text: string) => void): Promise<Server | undefined> {
  if (!Bun.which('python3')) {
    say('There is no python3 on PATH: LiteLLM left out.');
    return undefined;
  }
  if (!(await install())) {
    say('LiteLLM could not be installed from PyPI: left out.');
    return undefined;
  }
  const port = freePort();
  const config = join(DIRECTORY, `bench-${port}.json`);
  const asked = { model: `openai/${MODEL}`, api_base: `http://127.0.0.1:${runnerPort}/v1`, api_key: 'sk-bench' };
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      model_list: [{ model_name: MODEL, litellm_params: asked }],
      general_settings: { master_key: KEY },
      litellm_settings: { telemetry: false },
    }),
  );
  return new Server({
    name: LITELLM,
    command: [MAIN, '--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
    cwd: DIRECTORY,
    cpu: PROXY_CPU,
    port,
    healthPath: '/health/liveliness',
    startMs: 120_000,
    env: { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR', LITELLM_MODE: 'PRODUCTION' },
  });
}

async function install(): Promise<boolean> {
  if (existsSync(MAIN)) return true;
  await mkdir(DIRECTORY, { recursive: true });
  const run = async (...command: string[]) =>
    (await Bun.spawn(command, { cwd: DIRECTORY, stdio: ['ignore', 'ignore', 'ignore'], timeout: INSTALL_MS })
      .exited) === 0;
  const isInstalled =
    (await run('python3', '-m', 'venv', '.')) && (await run('bin/pip', 'install', '-q', `litellm[proxy]==${VERSION}`));
  return isInstalled && existsSync(MAIN);
}
