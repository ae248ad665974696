/**
 * Runs a probe in a container like a runner's. It reports whether it reaches the router, another listener of the host,
 * and its home.
 */
import { containerOf } from '../../drivers/docker/container';
import { type Engine, messageOf } from '../../drivers/docker/engine';
import { tailOf } from '../../drivers/docker/logs';
import type { Place } from '../../drivers/docker/networks';
import type { RunnerSpec } from '../../drivers/driver';

/** `router` and `other`: whether a connection was made. `home`: the content of the file `mark` in it. */
interface ProbeResult {
  readonly router: boolean;
  readonly other: boolean;
  readonly home: string;
}

const PROBE_MS = 30_000;
const REACH_MS = 3_000;

/** Runs in Bun and in Node. */
const javascript = `
const net = require('node:net'), fs = require('node:fs'), { env } = process;
const reach = (url) => new Promise((tell) => {
  const { hostname, port } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port) }, () => tell(true));
  socket.on('error', () => tell(false));
  setTimeout(() => tell(false), ${REACH_MS});
});
const read = () => { try { return fs.readFileSync(env.PROBE_MARK, 'utf8') } catch (error) { return String(error) } };
Promise.all([reach(env.PROBE_ROUTER), reach(env.PROBE_OTHER)]).then(([router, other]) => {
  console.log(JSON.stringify({ router, other, home: read() }));
  process.exit(0);
});`;

const python = `
import json, os, socket
from urllib.parse import urlsplit
def reach(url):
    try:
        place = urlsplit(url)
        socket.create_connection((place.hostname, place.port), ${REACH_MS / 1000}).close()
        return True
    except OSError:
        return False
def read():
    try:
        return open(os.environ['PROBE_MARK']).read()
    except OSError as error:
        return str(error)
print(json.dumps({'router': reach(os.environ['PROBE_ROUTER']), 'other': reach(os.environ['PROBE_OTHER']), 'home': read()}))`;

/** Programs of an image that can open a connection. The images of all known backends have one of them. */
const programs: readonly (readonly [program: string, ...rest: string[]])[] = [
  ['bun', '-e', javascript],
  ['node', '-e', javascript],
  ['python3', '-c', python],
];

/**
 * Returns undefined if the image has none of these programs. `spec.env` has `PROBE_ROUTER` and `PROBE_OTHER` (URLs) and
 * `PROBE_MARK` (a path). Rejects with the engine's error. Leaves nothing behind.
 */
export async function probe(docker: Engine, spec: RunnerSpec, place: Place): Promise<ProbeResult | undefined> {
  for (const [program, ...rest] of programs) {
    const body = containerOf(spec, { place, port: spec.port, hostPort: undefined, socketPath: undefined });
    const container = await (await docker()).createContainer({
      ...body,
      Entrypoint: [program],
      Cmd: rest,
      // No init: with one, a missing program would be an exit code instead of an error.
      HostConfig: { ...body.HostConfig, Init: false },
    });
    try {
      await container.start();
      await container.wait({ abortSignal: AbortSignal.timeout(PROBE_MS) });
      const lines = await tailOf(docker, container.id, 5, AbortSignal.timeout(PROBE_MS));
      return JSON.parse(lines.at(-1) ?? '');
    } catch (error) {
      if (!/executable file not found|no such file or directory/i.test(messageOf(error))) throw error;
    } finally {
      await container.remove({ force: true, v: true });
    }
  }
  return undefined;
}
