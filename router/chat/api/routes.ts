/** `/api/conversations`: conversations and their messages, as the predecessor's API has them. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import type { Agent } from '../../agents/store';
import type { BackendRegistry } from '../../backends/backends';
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { dataHeaders } from '../../web/answers/headers';
import { type Holding, heldTexts } from '../../web/answers/held-body';
import type { GenerationsService } from '../generations/generations';
import type { Conversation } from '../store/conversations';
import type { Shelf } from '../store/shelves';
import { type ConversationStreamDeps, conversationStream } from './live';
import { LISTED_MAX, type PostedRole, type ToldConversation } from './posted';
import { conversationJson, messageJson } from './present';

export interface ConversationsRoutesDeps extends ConversationStreamDeps {
  readonly agents: AgentsService;
  readonly backends: BackendRegistry;
  readonly generations: GenerationsService;
  /** The memory for long bodies. */
  readonly held: Allowance;
}

export function conversationsRoutes(deps: ConversationsRoutesDeps, session: SessionPlugin) {
  const { attachments, conversations, generations, held, posted } = deps;
  const own = ({ user }: Who, { id }: { id: string }): Promise<Conversation> => conversations.get(user.id, id);

  return new Elysia({ name: 'conversations-api' })
    .use(session)
    .get(
      '/api/conversations',
      async ({ who, query }) => {
        const before = query.before === undefined ? undefined : await own(who, { id: query.before });
        const found = await posted.list(who.user.id, { limit: query.limit ?? LISTED_MAX, before });
        return { conversations: found.conversations.map(conversationJson), has_more: found.hasMore };
      },
      {
        session: true,
        query: t.Object({
          limit: t.Optional(t.Integer({ minimum: 1, maximum: LISTED_MAX })),
          before: t.Optional(t.String()),
        }),
      },
    )
    .post(
      '/api/conversations',
      async ({ who, body }) => {
        const agent = await agentFor(deps, who, body);
        const made = await posted.create(agent, { title: body.title ?? '', model: body.model ?? '' });
        return { conversation: conversationJson(made) };
      },
      {
        session: true,
        body: t.Object({
          agent_id: t.Optional(t.String()),
          backend: t.Optional(t.String()),
          model: t.Optional(t.String()),
          title: t.Optional(t.String()),
        }),
      },
    )
    .get(
      '/api/conversations/:id',
      async ({ who, params, request, server }) =>
        withMessages(
          deps,
          { held, holder: who.user.id, incoming: { request, server } },
          await posted.getCounted(who.user.id, params),
        ),
      { session: true },
    )
    .get(
      '/api/conversations/by-slug/:backend/:seq',
      async ({ who, params, request, server }) =>
        withMessages(
          deps,
          { held, holder: who.user.id, incoming: { request, server } },
          await posted.getCounted(who.user.id, params),
        ),
      { session: true, params: t.Object({ backend: t.String(), seq: t.Integer() }) },
    )
    .patch(
      '/api/conversations/:id',
      async ({ who, params, body }) => {
        const conversation = await own(who, params);
        const shelf = shelfOf(conversation, body);
        if (body.title !== undefined) await posted.setTitle(conversation, body.title);
        if (shelf !== undefined) await conversations.putOn(who.user.id, conversation.id, shelf);
        return { conversation: conversationJson(await posted.getCounted(who.user.id, conversation)) };
      },
      {
        session: true,
        body: t.Object({
          title: t.Optional(t.String()),
          pinned: t.Optional(t.Boolean()),
          archived: t.Optional(t.Boolean()),
        }),
      },
    )
    .delete(
      '/api/conversations/:id',
      async ({ who, params, set }) => {
        const { id } = await own(who, params);
        await generations.stopIn(id);
        await conversations.delete(who.user.id, id);
        set.status = 204;
      },
      { session: true },
    )
    .post(
      '/api/conversations/:id/messages',
      async ({ who, params, body }) => {
        const conversation = await own(who, params);
        const { content, attachments: ids = [] } = body;
        const message = await posted.post(conversation, { role: roleOf(body.role), content, attachments: ids });
        return { message: messageJson(message, (await attachments.ofMessages([message])).get(message.id)) };
      },
      {
        session: true,
        body: t.Object({
          role: t.String(),
          content: t.String(),
          attachments: t.Optional(t.Array(t.String(), { maxItems: 100 })),
        }),
      },
    )
    .delete(
      '/api/conversations/:id/messages/after/:messageId',
      async ({ who, params, set }) => {
        await posted.deleteAfter(await own(who, params), params.messageId);
        set.status = 204;
      },
      { session: true },
    )
    .get(
      '/api/conversations/:id/stream',
      async ({ who, params, headers, request, server }) => {
        const conversation = await own(who, params);
        const agent = await deps.agents.get(who.user.id, conversation.agentId);
        const after = seenIn(headers['last-event-id'], conversation) ?? (await settledUpTo(deps, conversation));
        return conversationStream(deps, { request, server }, { who, conversation, agent, after });
      },
      { session: true },
    );
}

/** Throws `not_found` for an agent that is not the user's, `invalid_request` for an unknown backend or none. */
export async function agentFor(
  { agents, backends }: Pick<ConversationsRoutesDeps, 'agents' | 'backends'>,
  who: Who,
  asked: { readonly agent_id?: string; readonly backend?: string },
): Promise<Agent> {
  if (asked.agent_id !== undefined && asked.agent_id !== '') return agents.get(who.user.id, asked.agent_id);
  const backend = backends.find(asked.backend ?? '');
  if (backend) return agents.defaultOf(who.user.id, backend);
  const message = asked.backend
    ? `There is no backend "${asked.backend.slice(0, 100)}".`
    : 'Name an agent in "agent_id", or a backend in "backend".';
  throw new AppError('invalid_request', { message });
}

/** Where a change puts a conversation; undefined where it stays. Throws `invalid_request` for two places at once. */
function shelfOf(
  { shelf }: Conversation,
  { pinned, archived }: { readonly pinned?: boolean; readonly archived?: boolean },
): Shelf | undefined {
  if (pinned && archived) {
    throw new AppError('invalid_request', { message: 'A conversation is either pinned or archived.' });
  }
  if (pinned) return 'pinned';
  if (archived) return 'archived';
  const isTakenAway = (pinned === false && shelf === 'pinned') || (archived === false && shelf === 'archived');
  return isTakenAway ? 'list' : undefined;
}

function roleOf(role: string): PostedRole {
  if (role === 'user' || role === 'assistant' || role === 'error') return role;
  throw new AppError('invalid_request', { message: 'The role is one of: user, assistant, error.' });
}

/** A conversation with all its messages, however many: they are read while the client reads. */
function withMessages(
  { attachments, posted }: ConversationsRoutesDeps,
  holding: Holding,
  conversation: ToldConversation,
): Response {
  async function* pieces() {
    yield `{"conversation":${JSON.stringify(conversationJson(conversation))},"messages":[`;
    let position = 0;
    for (;;) {
      const messages = await posted.messagesAfter(conversation.id, position);
      const last = messages.at(-1);
      if (!last) break;
      const files = await attachments.ofMessages(messages);
      const told = messages.map((one) => JSON.stringify(messageJson(one, files.get(one.id))));
      yield (position === 0 ? '' : ',') + told.join(',');
      position = last.position;
    }
    yield ']}';
  }
  return new Response(heldTexts(pieces(), holding), {
    headers: dataHeaders('application/json;charset=utf-8'),
  });
}

/** The position of the newest message that the client has seen. */
function seenIn(lastEventId: string | undefined, { lastPosition }: Conversation): number | undefined {
  return /^\d{1,15}$/.test(lastEventId ?? '') ? Math.min(Number(lastEventId), lastPosition) : undefined;
}

/** The position up to which nothing is being written any more. */
async function settledUpTo({ conversations }: ConversationsRoutesDeps, { id, lastPosition }: Conversation) {
  const [newest] = await conversations.heads(id, { limit: 1, ofTurns: true });
  return newest?.status === 'streaming' ? newest.position - 1 : lastPosition;
}
