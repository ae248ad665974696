/** The pages of an agent's files. */
import { Elysia, t } from 'elysia';
import type { SizeView } from '../../views/files/models';
import { FilePage, FolderPage, HomeSize } from '../../views/files/page';
import type { Flash } from '../../views/models';
import type { SessionPlugin, Who } from '../accounts/identify';
import { agentIn, type ShellOf } from '../accounts/present-pages';
import type { Agent } from '../agents/store';
import { AppError } from '../lib/errors';
import { refusalOf } from '../web/answers/refused-form';
import { isPartRequest, page, part, seeOther } from '../web/answers/respond';
import { withBody } from '../web/bodies/read';
import { textOf } from '../web/reader';
import { bodyLimits, type FilesDeps, put } from './api-routes';
import { kindOf } from './download';
import { pathFrom } from './home-files';

/** Files in one upload. */
const FILES_MAX = 100;

interface FilesPagesDeps extends FilesDeps {
  readonly shell: ShellOf;
}

const query = t.Object({ path: t.Optional(t.String({ maxLength: 16_384 })), said: t.Optional(t.String()) });

export function filesPages(deps: FilesPagesDeps, session: SessionPlugin) {
  const { agents, files } = deps;

  return new Elysia({ name: 'files-pages' })
    .use(session)
    .get(
      '/agents/:id/files',
      async ({ who, params, query: { path, said } }) => {
        const agent = await agents.get(who.user.id, params.id);
        const names = pathFrom(path);
        const { kind } = await files.at(agent, names);
        if (kind === 'file') return filePage(deps, who, agent, names);
        const flash = said === 'uploaded' ? { kind: 'good' as const, message: textOf(who).files.uploaded } : undefined;
        return folderPage(deps, who, { agent, path: names, flash });
      },
      { session: true, query },
    )
    .get(
      '/agents/:id/files/size',
      async ({ who, params, request }) => {
        const agent = await agents.get(who.user.id, params.id);
        const size = await files.size(agent, []);
        if (isPartRequest(request)) return part(who, <HomeSize {...size} />);
        return folderPage(deps, who, { agent, path: [], size });
      },
      { session: true },
    );
}

/** The form of the page. Apart from the pages, because it reads its body by itself. */
export function filesUpload(deps: FilesPagesDeps, session: SessionPlugin) {
  const { agents } = deps;

  return new Elysia({ name: 'files-upload' }).use(session).post(
    '/agents/:id/files',
    async ({ who, params, query: { path }, request, server }) => {
      const agent = await agents.get(who.user.id, params.id);
      const names = pathFrom(path);
      try {
        await withBody({ request, server }, bodyLimits(deps, who), async (bytes) =>
          put(deps, agent, names, await formOf(request, bytes)),
        );
      } catch (error) {
        const { message, status } = refusalOf(error);
        return folderPage(deps, who, { agent, path: names, flash: { kind: 'bad', message }, status });
      }
      const to = new URLSearchParams({ ...(path !== undefined && { path }), said: 'uploaded' });
      return seeOther(request, `/agents/${agent.id}/files?${to}`);
    },
    { session: true, parse: 'none', query },
  );
}

async function formOf(request: Request, bytes: Uint8Array<ArrayBuffer>) {
  const headers = { 'content-type': request.headers.get('content-type') ?? '' };
  const form = await new Response(bytes, { headers }).formData().catch((cause: unknown) => {
    throw new AppError('invalid_request', { message: 'The body could not be read. Send a form with files.', cause });
  });
  const sent = form.getAll('files').filter((one) => one instanceof File && one.name !== '') as File[];
  if (sent.length === 0) throw new AppError('invalid_request', { message: 'Choose a file first.' });
  if (sent.length > FILES_MAX) {
    throw new AppError('invalid_request', { message: `An upload has at most ${FILES_MAX} files.` });
  }
  const files = await Promise.all(
    // Some clients send the whole path on their machine.
    sent.map(async (file) => ({ name: file.name.split(/[/\\]/).at(-1) ?? '', bytes: await file.bytes() })),
  );
  return { files, isReplacing: form.get('replace') !== null };
}

async function folderPage(
  deps: FilesPagesDeps,
  who: Who,
  shown: {
    agent: Agent;
    path: readonly string[];
    size?: SizeView;
    flash?: Flash | undefined;
    status?: number;
  },
): Promise<Response> {
  const { agent, path, size, flash, status } = shown;
  const { entries, more } = await deps.files.list(agent, path);
  const shell = await deps.shell(who, agent.id);
  const folder = { path, entries, more, uploadBytesMax: deps.config.maxBodyBytes };
  const view = { shell, agent: agentIn(shell), folder, size, flash };
  return page(who, <FolderPage {...view} />, status);
}

async function filePage(deps: FilesPagesDeps, who: Who, agent: Agent, path: readonly string[]): Promise<Response> {
  const file = await deps.files.open(agent, path);
  const kind = await kindOf(file).finally(() => file.handle.close());
  const shell = await deps.shell(who, agent.id);
  const { bytes, changedAtMs } = file;
  const shown = kind && ('picture' in kind ? { isPicture: true } : kind);
  return page(who, <FilePage shell={shell} agent={agentIn(shell)} file={{ path, bytes, changedAtMs, ...shown }} />);
}
