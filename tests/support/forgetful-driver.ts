/** A driver that is wrong: it remembers its runners in a variable of its module, so another process finds none of them. */
import { Type } from '@sinclair/typebox';
import { type Driver, DriverError, defineDriver, type Owned } from '../../drivers/driver';

type Handle = { readonly runnerId: string };
const runners = new Map<string, Owned<Handle> & { readonly child: Bun.Subprocess }>();
const none = Type.Object({}, { additionalProperties: false });

export default defineDriver({
  name: 'forgetful',
  summary: 'Runs processes and remembers them in a Map',
  isolates: false,
  options: none,
  backendOptions: none,
  create: (): Driver<Handle> => ({
    name: 'forgetful',
    ping: async () => {},
    routerAddress: async (port) => ({ url: `http://127.0.0.1:${port}`, listenHost: '127.0.0.1' }),
    async start(spec) {
      using listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
      const env = { ...spec.env, PORT: String(listener.port), HOST: '127.0.0.1' };
      try {
        const child = Bun.spawn([...spec.command], { env, stdio: ['ignore', 'ignore', 'ignore'] });
        const started = { handle: { runnerId: spec.id }, url: `http://127.0.0.1:${listener.port}` };
        runners.set(spec.id, { ...started, runnerId: spec.id, health: { state: 'running' }, child });
        return started;
      } catch (cause) {
        throw new DriverError('forgetful', 'start_failed', 'no process started', { cause });
      }
    },
    inspect: async ({ runnerId }) => runners.get(runnerId)?.health ?? { state: 'gone' },
    async stop({ runnerId }) {
      runners.get(runnerId)?.child.kill('SIGKILL');
      await runners.get(runnerId)?.child.exited;
      runners.delete(runnerId);
    },
    list: async () => [...runners.values()].map(({ child: _, ...owned }) => owned),
  }),
});
