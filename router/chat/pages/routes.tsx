/** The chat: conversations, messages, and the live stream under them. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin } from '../../accounts/identify';
import { AppError } from '../../lib/errors';
import { isPartRequest, plainText, seeOther } from '../../web/answers/respond';
import type { LiveDeps } from '../live/options';
import { parseSeen } from '../live/seen';
import { liveStream } from '../live/stream';
import { firstPage } from './first-page';
import { deletedPath, shelfName } from './options-routes';
import { conversationPage, doneIn, earlierMessages, newConversationPage } from './routes-conversation';

type ChatRoutesDeps = LiveDeps;

export function chatRoutes(deps: ChatRoutesDeps, session: SessionPlugin) {
  const { conversations, generations } = deps;

  return (
    new Elysia({ name: 'chat' })
      .use(session)
      .get('/', async ({ who, request }) => seeOther(request, await firstPage(deps, who)), { session: true })

      .get(
        '/agents/:id',
        async ({ who, params, query: { deleted, shelf } }) =>
          newConversationPage(deps, who, await deps.agents.get(who.user.id, params.id), {
            deleted: deleted === undefined ? undefined : { id: deleted, shelf: shelf ?? 'list' },
          }),
        { session: true, query: t.Object({ deleted: t.Optional(t.String()), shelf: t.Optional(shelfName) }) },
      )

      .get(
        '/conversations/:id',
        async ({ who, params, query, request }) => {
          const discarded = await conversations.findDiscarded(who.user.id, params.id);
          if (discarded) return seeOther(request, deletedPath(discarded));
          const { before } = query;
          if (before !== undefined && isPartRequest(request)) return earlierMessages(deps, who, params.id, before);
          return conversationPage(deps, who, params.id, { before });
        },
        {
          session: true,
          query: t.Object({ before: t.Optional(t.Numeric()) }),
        },
      )

      // Asked for by a page without scripts, which has no live stream to say that somebody looks at it. So a page that a browser
      // loads ahead, or in a tab behind, marks nothing.
      .get(
        '/conversations/:id/read',
        async ({ who, params }) => {
          const { id } = await conversations.get(who.user.id, params.id);
          await deps.unread.read(who.user.id, id);
          return new Response(null, { status: 204 });
        },
        { session: true },
      )

      .get(
        '/messages/:id/text',
        async ({ who, params }) => {
          const { message } = await conversations.getMessage(who.user.id, params.id);
          return plainText(conversations.text(message.id));
        },
        { session: true },
      )
      .post(
        '/messages/:id/stop',
        async ({ who, params, request }) => {
          const { message, conversation } = await conversations.getMessage(who.user.id, params.id);
          await generations.stop(message.id);
          return doneIn(conversation, request);
        },
        { session: true },
      )
      .get(
        '/live',
        async ({ who, query, headers, request, server }) => {
          if (query.user !== undefined && query.user !== who.user.id) throw ofAnotherUser();
          // A page that comes back has got links by its stream.
          const isBack = headers['last-event-id'] !== undefined;
          const linksMark = isBack ? undefined : query.links;
          if (query.conversation === undefined) return liveStream(deps, { who, request, server, linksMark });
          const row = await conversations.get(who.user.id, query.conversation);
          const agent = await deps.agents.get(who.user.id, row.agentId);
          const seen = parseSeen(headers['last-event-id']) ?? parseSeen(query.after);
          const isPast = query.past !== undefined;
          if (seen && (await conversations.wasReplaced(row, seen.position))) throw outdated();
          return liveStream(deps, {
            who,
            request,
            server,
            linksMark,
            conversation: { row, agent },
            isPast,
            ...(!isBack && { saysUnsaved: query.unsaved !== undefined }),
            ...(seen && { seen }),
          });
        },
        {
          session: true,
          query: t.Object({
            conversation: t.Optional(t.String()),
            after: t.Optional(t.String()),
            past: t.Optional(t.String()),
            unsaved: t.Optional(t.String()),
            links: t.Optional(t.String()),
            user: t.Optional(t.String()),
          }),
        },
      )
  );
}

/**
 * The newest message of the page was replaced while the page had no stream, and nobody knows which one it was. The page
 * reloads.
 */
function outdated(): AppError {
  return new AppError('not_found', { message: 'The newest message of this page was replaced.' });
}

/** Somebody else has signed in since in the browser that shows the page. It reloads. */
function ofAnotherUser(): AppError {
  return new AppError('signed_out', { message: 'This page is of another user, who is not signed in here any more.' });
}
