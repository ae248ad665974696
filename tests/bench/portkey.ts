/** The Portkey gateway as a peer: installed once from npm into ~/.cache/agent-stack, and served on Bun and on Node. */

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import { PROXY_CPU, Server } from './processes';

const VERSION = '1.15.2';
/** With the version that npm would choose every stream fails on Node: "TypeError: immutable" (Portkey-AI/gateway#1389). */
const NODE_SERVER_VERSION = '1.4.1';
const DIRECTORY = join(homedir(), '.cache/agent-stack', `portkey-${VERSION}`);
const MAIN = join(DIRECTORY, 'node_modules/@portkey-ai/gateway/build/start-server.js');
const LOOPBACK = join(import.meta.dir, 'portkey-loopback.mjs');
const INSTALL_MS = 60_000;

export const ON_BUN = `Portkey ${VERSION} on Bun`;
export const ON_NODE = `Portkey ${VERSION} on Node`;

/** What a request needs so that Portkey passes it to the scripted runner. */
export function portkeyHeaders(runnerPort: number): Record<string, string> {
  return {
    authorization: 'Bearer sk-bench',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${runnerPort}/v1`,
  };
}

/** The servers that can be had here, not started. @param say told why one is missing. */
export async function portkeyServers(say: (text: string) => void): Promise<readonly Server[]> {
  if (!(await install())) {
    say('Portkey could not be installed from npm: left out.');
    return [];
  }
  const servers = [portkeyServer(ON_BUN, [process.execPath, '--no-env-file', '--preload', LOOPBACK, MAIN])];
  const node = Bun.which('node');
  if (node) servers.push(portkeyServer(ON_NODE, [node, '--import', LOOPBACK, MAIN]));
  else say('There is no node on PATH: Portkey on Node left out.');
  return servers;
}

function portkeyServer(name: string, command: readonly string[]): Server {
  const port = freePort();
  return new Server({
    name,
    command: [...command, `--port=${port}`, '--headless'],
    cwd: DIRECTORY,
    cpu: PROXY_CPU,
    port,
    healthPath: '/',
    env: { NODE_ENV: 'production' },
  });
}

async function install(): Promise<boolean> {
  if (existsSync(MAIN)) return true;
  await mkdir(DIRECTORY, { recursive: true });
  const manifest = {
    private: true,
    dependencies: { '@portkey-ai/gateway': VERSION },
    overrides: { '@hono/node-server': NODE_SERVER_VERSION },
  };
  await writeFile(join(DIRECTORY, 'package.json'), JSON.stringify(manifest));
  const installing = Bun.spawn([process.execPath, 'install', '--ignore-scripts', '--no-summary'], {
    cwd: DIRECTORY,
    stdio: ['ignore', 'ignore', 'ignore'],
    timeout: INSTALL_MS,
  });
  return (await installing.exited) === 0 && existsSync(MAIN);
}
