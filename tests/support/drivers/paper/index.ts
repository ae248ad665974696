/** A driver written by an outsider from the contract alone. Its runners are files that contain their state. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { type Driver, defineDriver, type Owned, type RunnerSpec } from '../../../../drivers/driver';

type PaperHandle = { readonly file: string };

const running = { state: 'running' } as const;

export default defineDriver({
  name: 'paper',
  summary: 'Writes down which runners there would be.',
  isolates: true,
  options: Type.Object(
    { url: Type.String({ default: 'http://127.0.0.1:9', pattern: '^http://' }) },
    { additionalProperties: false },
  ),
  backendOptions: Type.Object({ colour: Type.Optional(Type.String()) }, { additionalProperties: false }),
  create({ url }, services): Driver<PaperHandle> {
    services.log('info', 'paper.created', { url });
    return {
      name: 'paper',
      ping: async () => {},
      routerAddress: async (port) => ({ url: `http://127.0.0.1:${port}`, listenHost: '127.0.0.1' }),
      async start(spec) {
        const file = join(services.stateDir, `${spec.id}.json`);
        writeFileSync(file, JSON.stringify({ id: spec.id, labels: spec.labels }));
        return { handle: { file }, url };
      },
      inspect: async ({ file }) => (existsSync(file) ? running : { state: 'gone' }),
      stop: async ({ file }) => rmSync(file, { force: true }),
      async list() {
        const files = readdirSync(services.stateDir).map((name) => join(services.stateDir, name));
        return files.flatMap((file): Owned<PaperHandle>[] => {
          const { id, labels }: RunnerSpec = JSON.parse(readFileSync(file, 'utf8'));
          const isOurs = labels[services.installationLabel] === services.installationId;
          return isOurs ? [{ runnerId: id, handle: { file }, health: running, url }] : [];
        });
      },
      [Symbol.asyncDispose]: async () => services.log('info', 'paper.disposed'),
    };
  },
});
