/** What is measured, in one shape: where it listens, what a request to it carries, and whose CPU and memory it uses. */

import { join } from 'node:path';
import { freePort } from '../support/ports';
import { LITELLM_HEADERS, litellmServer } from './litellm';
import type { Profile } from './options';
import { portkeyHeaders, portkeyServers } from './portkey';
import { PROXY_CPU, Server } from './processes';
import { type RouterUnderTest, startRouter } from './router';

export const DIRECT = 'direct';
export const FLOOR = 'floor';
export const ROUTER = 'router';
export const RECORDED = 'router, recording';

export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent where nothing stands before the runner. */
  readonly server?: Server;
  /** Somebody else's product. */
  readonly isPeer: boolean;
  /** Ids of conversations into which answers are recorded; absent where none are. */
  conversations?(count: number): Promise<readonly string[]>;
}

export interface Rig extends AsyncDisposable {
  readonly router: RouterUnderTest;
  /** In the order in which they take turns. */
  readonly subjects: readonly Subject[];
  /** Those that are processes, each once. */
  readonly servers: readonly Server[];
}

/**
 * Starts everything that is measured. The router comes first, because it starts the runner that all of them use.
 * @param options.profile only this, which writes a CPU profile when it ends.
 * @param options.withLitellm whether LiteLLM is one of the peers.
 */
export async function startRig(options: {
  profile?: Profile | undefined;
  withLitellm: boolean;
  say(text: string): void;
}): Promise<Rig> {
  const { profile, withLitellm, say } = options;
  await using started = new AsyncDisposableStack();
  const router = started.use(await startRouter({ profileDir: profile?.directory }));
  const asked = {
    headers: { authorization: `Bearer ${router.key}` },
    port: router.server.port,
    server: router.server,
    isPeer: false,
  };
  const plain: Subject = { name: ROUTER, ...asked };
  const recording: Subject = { name: RECORDED, ...asked, conversations: router.conversations };
  const servers = [router.server];
  const start = async (server: Server) => {
    await started.use(server).start();
    servers.push(server);
    return { name: server.name, port: server.port, server };
  };
  const subjects: Subject[] = [];
  if (profile) subjects.push(profile.what === 'router' ? plain : recording);
  else {
    const { runnerPort } = router;
    subjects.push({ name: DIRECT, port: runnerPort, headers: {}, isPeer: false });
    subjects.push({ ...(await start(floorServer(runnerPort))), headers: {}, isPeer: false }, plain, recording);
    const headers = portkeyHeaders(runnerPort);
    for (const server of await portkeyServers(say)) subjects.push({ ...(await start(server)), headers, isPeer: true });
    const litellm = withLitellm ? await litellmServer(runnerPort, say) : undefined;
    if (litellm) subjects.push({ ...(await start(litellm)), headers: LITELLM_HEADERS, isPeer: true });
  }
  const owned = started.move();
  return { router, subjects, servers, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function floorServer(runnerPort: number): Server {
  const port = freePort();
  return new Server({
    name: FLOOR,
    command: [process.execPath, '--no-env-file', join(import.meta.dir, 'floor.ts')],
    env: { PORT: String(port), TARGET_PORT: String(runnerPort) },
    cpu: PROXY_CPU,
    port,
    healthPath: '/healthz',
  });
}
