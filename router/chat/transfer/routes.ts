/**
 * Exports a conversation as a file, and imports one from a file. `app.ts` mounts these routes before those that read forms: a
 * file is longer than a form may be.
 */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { Config } from '../../config/config';
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { heldTexts } from '../../web/answers/held-body';
import { seeOther } from '../../web/answers/respond';
import { withBody } from '../../web/bodies/read';
import type { Incoming } from '../../web/patience';
import { textOf } from '../../web/reader';
import type { CountedConversation } from '../api/counted-store';
import { conversationJson } from '../api/present';
import { agentFor, type ConversationsRoutesDeps } from '../api/routes';
import type { LiveDeps } from '../live/options';
import { newConversationPage } from '../pages/routes-conversation';
import type { TransferService } from './transfer';

const NAME_LENGTH_MAX = 60;

type TransferRoutesDeps = LiveDeps &
  ConversationsRoutesDeps & {
    readonly config: Pick<Config, 'maxBodyBytes'>;
    readonly transfer: TransferService;
    readonly held: Allowance;
  };

export function transferRoutes(deps: TransferRoutesDeps, session: SessionPlugin) {
  const { agents, held, posted, transfer } = deps;

  return new Elysia({ name: 'transfer' })
    .use(session)
    .get(
      '/api/conversations/:id/export',
      async ({ who, params, query, request, server }) => {
        const one = await posted.getCounted(who.user.id, params);
        const isMarkdown = query.format === 'markdown';
        const texts = isMarkdown ? await markdown(deps, who, one) : transfer.json(one);
        const body = heldTexts(texts, { held, holder: who.user.id, incoming: { request, server } });
        return isMarkdown
          ? file(body, { title: one.title, type: 'text/markdown', ending: 'md' })
          : file(body, { title: one.title, type: 'application/json', ending: 'json' });
      },
      {
        session: true,
        query: t.Object({ format: t.Optional(t.Union([t.Literal('json'), t.Literal('markdown')])) }),
      },
    )
    .post(
      '/api/conversations/import',
      async ({ who, query, request, server }) => {
        const id = await withFile(deps, who, { request, server }, async (bytes) =>
          transfer.import(await agentFor(deps, who, query), bytes),
        );
        return { conversation: conversationJson(await posted.getCounted(who.user.id, { id })) };
      },
      {
        session: true,
        parse: 'none',
        query: t.Object({ agent_id: t.Optional(t.String()), backend: t.Optional(t.String()) }),
      },
    )
    .post(
      '/agents/:id/import',
      async ({ who, params, request, server }) => {
        const agent = await agents.get(who.user.id, params.id);
        try {
          const id = await withFile(deps, who, { request, server }, (bytes) => transfer.import(agent, bytes));
          return seeOther(request, `/conversations/${id}`);
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          return newConversationPage(deps, who, agent, { importError: error.message, status: error.status });
        }
      },
      { session: true, parse: 'none' },
    );
}

async function markdown(deps: TransferRoutesDeps, who: Who, one: CountedConversation): Promise<AsyncIterator<string>> {
  const text = textOf(who);
  const { name: agentName } = await deps.agents.get(who.user.id, one.agentId);
  const { thought, used, failed } = text.steps;
  const { incomplete } = text.message;
  const did = { thought, used, failed, incomplete };
  const words = { you: text.transfer.you, untitled: text.conversation.untitled, agentName, ...did };
  return deps.transfer.markdown(one, words);
}

function file(
  body: ReadableStream<Uint8Array>,
  { title, type, ending }: { title: string; type: string; ending: string },
): Response {
  const words = title
    .normalize('NFC')
    .slice(0, NAME_LENGTH_MAX)
    .match(/[\p{L}\p{N}]+/gu) ?? ['conversation'];
  return new Response(body, {
    headers: {
      'content-type': `${type}; charset=utf-8`,
      'content-disposition': `attachment; filename="conversation.${ending}"; filename*=UTF-8''${encodeURIComponent(words.join('-'))}.${ending}`,
    },
  });
}

/** Reads the file, and holds its memory until `work` has ended. */
function withFile<T>(
  { config, held }: TransferRoutesDeps,
  { user }: Who,
  incoming: Incoming,
  work: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const limits = { held, holder: user.id, maxBytes: config.maxBodyBytes };
  const type = incoming.request.headers.get('content-type') ?? '';
  return withBody(incoming, limits, async (body) => work(await fileIn(body, type)));
}

/** The file: the body itself, or the one in a form. */
async function fileIn(body: Uint8Array<ArrayBuffer>, type: string): Promise<Uint8Array> {
  if (!/^multipart\/form-data\b/i.test(type)) return body;
  const form = await new Response(body, { headers: { 'content-type': type } }).formData().catch(() => undefined);
  const sent = form?.get('file');
  if (sent instanceof Blob) return sent.bytes();
  throw new AppError('invalid_request', { message: 'Choose a file first.' });
}
