/** A proxy in front of the engine's socket that passes on some calls and refuses the others. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const enginePath = (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';

/** @param isLet Whether a call is passed on; `path` is without the version of the API. */
export async function startEngineProxy(isLet: (method: string, path: string) => boolean) {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-proxy-'));
  const path = join(directory, 'docker.sock');
  const refused: string[] = [];
  const server = createServer((asked, answer) => {
    const { method = '', url = '', headers } = asked;
    const place = new URL(url, 'http://engine').pathname.replace(/^\/v\d+\.\d+(?=\/)/, '');
    if (!isLet(method, place)) {
      refused.push(`${method} ${place}`);
      answer.writeHead(403, { 'content-type': 'application/json' }).end('{"message":"not on the list"}');
      return;
    }
    const onward = request({ socketPath: enginePath, method, path: url, headers }, (said) => {
      answer.writeHead(said.statusCode ?? 502, said.headers);
      answer.flushHeaders();
      said.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }).listen(path);
  await once(server, 'listening');
  return {
    ...{ path, refused },
    async close() {
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
