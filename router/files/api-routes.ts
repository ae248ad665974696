/** `/api/agents/{id}/files`: the files of an agent's home, for programs and for the links of the page. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { AgentsService } from '../agents/agents';
import type { Agent } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { Allowance } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { unixSeconds } from '../lib/time';
import { dataHeaders } from '../web/answers/headers';
import { withBody } from '../web/bodies/read';
import type { OpenStream, OpenStreams } from '../web/streams/open-streams';
import { archiveStream, attachment, fileStream, kindOf } from './download';
import { type HomeFiles, pathFrom } from './home-files';

export interface FilesDeps {
  readonly agents: AgentsService;
  readonly backends: BackendRegistry;
  readonly config: Pick<Config, 'maxBodyBytes'>;
  readonly files: HomeFiles;
  /** The memory for the bodies of requests. */
  readonly held: Allowance;
  readonly streams: OpenStreams;
}

const query = t.Object({ path: t.Optional(t.String({ maxLength: 16_384 })) });

export function filesApiRoutes(deps: FilesDeps, session: SessionPlugin) {
  const { agents, files } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => agents.get(user.id, id);

  return new Elysia({ name: 'files-api' })
    .use(session)
    .get(
      '/api/agents/:id/files',
      async ({ who, params, query: { path } }) => {
        const { entries, more } = await files.list(await own(who, params), pathFrom(path));
        return {
          entries: entries.map(({ changedAtMs, ...entry }) => ({ ...entry, changed_at: unixSeconds(changedAtMs) })),
          more: more ?? null,
        };
      },
      { session: true, query },
    )
    .get(
      '/api/agents/:id/files/size',
      async ({ who, params, query: { path } }) => {
        const { bytes, files: count, isWhole } = await files.size(await own(who, params), pathFrom(path));
        return { bytes, files: count, complete: isWhole };
      },
      { session: true, query },
    )
    .get(
      '/api/agents/:id/files/content',
      async ({ who, params, query: { path, show } }) => {
        const names = pathFrom(path);
        const file = await files.open(await own(who, params), names);
        try {
          const kind = show === undefined ? undefined : await kindOf(file);
          const isPicture = kind !== undefined && 'picture' in kind;
          const open = hold(deps, who, () => void file.handle.close());
          const headers = {
            ...dataHeaders(isPicture ? kind.picture : 'application/octet-stream'),
            'content-length': String(file.bytes),
            ...(!isPicture && { 'content-disposition': attachment(names.at(-1) ?? '') }),
          };
          return new Response(
            fileStream(file, () => open.end()),
            { headers },
          );
        } catch (error) {
          await file.handle.close();
          throw error;
        }
      },
      { session: true, query: t.Composite([query, t.Object({ show: t.Optional(t.String()) })]) },
    )
    .get(
      '/api/agents/:id/files/archive',
      async ({ who, params, query: { path } }) => {
        const agent = await own(who, params);
        const names = pathFrom(path);
        const abort = new AbortController();
        const open = hold(deps, who, () => abort.abort());
        abort.signal.addEventListener('abort', () => open.end(), { once: true });
        const root = names.at(-1) ?? agent.name.replace(/[/\0]/g, '_');
        try {
          const body = await archiveStream(files, agent, names, { root, abort });
          const headers = { ...dataHeaders('application/gzip'), 'content-disposition': attachment(`${root}.tar.gz`) };
          return new Response(body, { headers });
        } catch (error) {
          abort.abort();
          throw error;
        }
      },
      { session: true, query },
    )
    .put(
      '/api/agents/:id/files/content',
      async ({ who, params, query: { path, replace }, request, server, set }) => {
        const agent = await own(who, params);
        const names = pathFrom(path);
        const name = names.at(-1);
        if (name === undefined) throw new AppError('invalid_request', { message: 'Name the file with "path".' });
        await withBody({ request, server }, bodyLimits(deps, who), (bytes) =>
          put(deps, agent, names.slice(0, -1), { files: [{ name, bytes }], isReplacing: replace !== undefined }),
        );
        set.status = 204;
      },
      {
        session: true,
        parse: 'none',
        query: t.Composite([query, t.Object({ replace: t.Optional(t.String()) })]),
      },
    );
}

/** The limits of an upload. */
export function bodyLimits({ config, held }: Pick<FilesDeps, 'config' | 'held'>, { user }: Who) {
  return { held, holder: user.id, maxBytes: config.maxBodyBytes };
}

export async function put(
  { backends, files }: Pick<FilesDeps, 'backends' | 'files'>,
  agent: Agent,
  path: readonly string[],
  what: Parameters<HomeFiles['put']>[3],
): Promise<void> {
  await files.put(agent, backends.of(agent), path, what);
}

/** A download ends with the session that it belongs to (law 20), and counts among the user's open streams. */
function hold({ streams }: FilesDeps, { user, credentialId }: Who, close: () => void): OpenStream {
  return streams.add({ userId: user.id, credentialId }, { close });
}
