/** The menu of a conversation: renames it, moves it to another shelf, deletes it, and undoes that. */
import { Elysia, t } from 'elysia';
import type { JSX } from 'preact';
import { ConversationsPage } from '../../../views/chat/conversations-page';
import { OptionsMenu, RenameForm } from '../../../views/chat/options';
import { OptionsPage } from '../../../views/chat/options-page';
import { ConversationItems } from '../../../views/chat/sidebar/conversation-list';
import { LiveConversationLink, LiveConversationRemove, LiveUndo } from '../../../views/chat/sidebar/live';
import type { OptionsView } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import { refusalOf } from '../../web/answers/refused-form';
import { isPartRequest, page, pagePath, part, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import type { LiveDeps } from '../live/options';
import type { Conversation } from '../store/conversations';
import { shellOf } from './present';
import { conversationLink, conversationList, parsePlace, shelfOf } from './present-list';

/** Where a conversation is put. */
export const shelfName = t.Union([t.Literal('list'), t.Literal('pinned'), t.Literal('archived')]);

export function optionsRoutes(deps: LiveDeps, session: SessionPlugin) {
  const { conversations, generations } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => conversations.get(user.id, id);

  return new Elysia({ name: 'conversation-options' })
    .use(session)
    .get(
      '/conversations',
      async ({ who, request, query }) => {
        const agents = await deps.agents.list(who.user.id);
        const about = { agents, current: {}, before: parsePlace(query.before), shelf: query.shelf ?? 'list' };
        const list = await conversationList(deps, who, about);
        if (isPartRequest(request)) return part(who, <ConversationItems list={list} />);
        return page(who, <ConversationsPage shell={await shellOf(deps, who, {})} list={list} />);
      },
      { session: true, query: t.Object({ before: t.Optional(t.String()), shelf: t.Optional(shelfName) }) },
    )
    .get(
      '/conversations/:id/options',
      async ({ who, params, request }) => {
        const conversation = optionsView(who, await own(who, params));
        if (isPartRequest(request)) return part(who, <OptionsMenu conversation={conversation} />);
        return page(who, <OptionsPage shell={await shellOf(deps, who, {})} conversation={conversation} />);
      },
      { session: true },
    )
    .get(
      '/conversations/:id/title',
      async ({ who, params, request }) => {
        const conversation = optionsView(who, await own(who, params));
        if (isPartRequest(request)) return part(who, <RenameForm conversation={conversation} />);
        return seeOther(request, `/conversations/${conversation.id}/options`);
      },
      { session: true },
    )
    .post(
      '/conversations/:id/title',
      async ({ who, params, body: { title }, request }) => {
        const conversation = await own(who, params);
        try {
          await conversations.rename(who.user.id, params.id, title);
        } catch (error) {
          const { fields, message, status } = refusalOf(error);
          const view = { ...optionsView(who, conversation), title, error: fields?.title ?? message };
          if (isPartRequest(request)) return part(who, <RenameForm conversation={view} />, status);
          return page(who, <OptionsPage shell={await shellOf(deps, who, {})} conversation={view} />, status);
        }
        return moved(deps, { who, request }, params.id);
      },
      { session: true, body: t.Object({ title: t.String() }) },
    )
    .post(
      '/conversations/:id/shelf',
      async ({ who, params, body, request }) => {
        const before = await conversations.find(who.user.id, params.id);
        await conversations.putOn(who.user.id, params.id, body.shelf);
        const isArchived = before !== undefined && body.shelf === 'archived';
        return moved(deps, { who, request }, params.id, isArchived ? { done: 'archived', before } : undefined);
      },
      { session: true, body: t.Object({ shelf: shelfName }) },
    )
    .post(
      '/conversations/:id/delete',
      async ({ who, params, request }) => {
        const before = await own(who, params);
        await generations.stopIn(before.id);
        await conversations.discard(who.user.id, before.id);
        // The page of a deleted conversation has nothing more to show.
        const isThere = isPartRequest(request) && pagePath(request) !== `/conversations/${before.id}`;
        if (isThere) return moved(deps, { who, request }, before.id, { done: 'deleted', before });
        return seeOther(request, deletedPath(before));
      },
      { session: true },
    );
}

/** The page that offers to bring a deleted conversation back. */
export function deletedPath({ id, agentId, shelf }: Conversation): string {
  return `/agents/${agentId}?deleted=${id}${shelf === 'deleted' ? '' : `&shelf=${shelf}`}`;
}

function optionsView(who: Who, { id, title, shelf }: Conversation): OptionsView {
  return {
    id,
    title: title || textOf(who).conversation.untitled,
    shelf: shelfOf(shelf),
  };
}

/** After a change: its page, or for htmx the link where it is now, with the way back. */
async function moved(
  deps: LiveDeps,
  { who, request }: { who: Who; request: Request },
  id: string,
  undo?: { done: 'deleted' | 'archived'; before: Conversation },
): Promise<Response> {
  if (!isPartRequest(request)) return seeOther(request, `/conversations/${id}`);
  const row = await deps.conversations.findListed(who.user.id, id);
  const agents = await deps.agents.list(who.user.id);
  const current = pagePath(request) === `/conversations/${id}` ? { conversationId: id } : {};
  const link: JSX.Element = row ? (
    <LiveConversationLink conversation={conversationLink(who, row, agents, current)} />
  ) : (
    <LiveConversationRemove conversationId={id} />
  );
  const shelf = undo && optionsView(who, undo.before).shelf;
  return part(
    who,
    <>
      {link}
      <LiveUndo undoable={undo && shelf && { conversationId: id, shelf, done: undo.done }} />
    </>,
  );
}
