/** The routes of one message: show it, edit it, ask again, delete it, or show another variant. */
import { Elysia, t } from 'elysia';
import { EditMessage } from '../../../views/chat/message/edit';
import { Message } from '../../../views/chat/message/message';
import type { SessionPlugin, Who } from '../../accounts/identify';
import { AppError } from '../../lib/errors';
import { refusalOf } from '../../web/answers/refused-form';
import { isPartRequest, pagePath, part, seeOther } from '../../web/answers/respond';
import { TEXT_LENGTH_MAX } from '../generations/generations';
import type { LiveDeps } from '../live/options';
import type { Conversation } from '../store/conversations';
import type { MessageHead } from '../store/messages';
import type { VariantsService } from '../variants';
import { aboutMessages, attachmentView, messageViews } from './present-messages';
import { conversationPage, doneIn } from './routes-conversation';

/** Positions after a message that its page shows. */
const AROUND = 10;

export interface VariantsRoutesDeps extends LiveDeps {
  readonly variants: VariantsService;
}

export function variantsRoutes(deps: VariantsRoutesDeps, session: SessionPlugin) {
  const { conversations, variants } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => conversations.getMessage(user.id, id);

  return new Elysia({ name: 'variants' })
    .use(session)
    .get(
      '/messages/:id',
      async ({ who, params, request }) => {
        const { message, conversation } = await own(who, params);
        return isPartRequest(request)
          ? messagePart(deps, who, conversation, message)
          : seeOther(request, placeOf(conversation, message));
      },
      { session: true },
    )
    .get(
      '/messages/:id/edit',
      async ({ who, params, request }) => {
        const found = await conversations.findMessage(who.user.id, params.id);
        if (found?.message.role !== 'user') throw new AppError('not_found', { message: 'There is no such message.' });
        return editing(deps, who, request, { ...found, text: found.message.content });
      },
      { session: true },
    )
    .post(
      '/messages/:id/edit',
      async ({ who, params, body: { text, keep = [] }, request }) => {
        const { message, conversation } = await own(who, params);
        const keeps = [keep].flat();
        try {
          await variants.edit(conversation, message, { text, keeps });
        } catch (error) {
          return editing(deps, who, request, { message, conversation, text, keeps, error: refusalOf(error) });
        }
        // The page of the edit is over.
        const isAlone = pagePath(request) === `/messages/${message.id}/edit`;
        return isAlone ? seeOther(request, `/conversations/${conversation.id}`) : doneIn(conversation, request);
      },
      {
        session: true,
        body: t.Object({ text: t.String(), keep: t.Optional(t.Union([t.String(), t.Array(t.String())])) }),
      },
    )
    .post(
      '/messages/:id/retry',
      async ({ who, params, request }) => {
        const { message, conversation } = await own(who, params);
        await variants.retry(conversation, message);
        return doneIn(conversation, request);
      },
      { session: true },
    )
    .post(
      '/messages/:id/show',
      async ({ who, params, request }) => {
        const { message, conversation } = await own(who, params);
        await variants.show(conversation, message);
        // A browser loads nothing for an address that differs after its # only.
        const to = isPartRequest(request) ? `/messages/${message.id}` : placeOf(conversation, message);
        return doneIn(conversation, request, to);
      },
      { session: true },
    )
    .post(
      '/messages/:id/delete',
      async ({ who, params, request }) => {
        const { message, conversation } = await own(who, params);
        await variants.deleteFrom(conversation, message);
        return doneIn(conversation, request);
      },
      { session: true },
    );
}

/** The page of a message, with what was said around it. The newest page goes on as it is. */
function placeOf({ id, lastPosition }: Conversation, message: MessageHead): string {
  const before = message.position + AROUND;
  return `/conversations/${id}${before < lastPosition ? `?before=${before}` : ''}#message-${message.id}`;
}

/** One message as its page shows it. */
async function messagePart(deps: LiveDeps, who: Who, conversation: Conversation, head: MessageHead) {
  const agent = await deps.agents.get(who.user.id, conversation.agentId);
  const { messages } = await deps.conversations.shown(conversation.id, { before: head.position + 1, limit: 1 });
  const [view] = await messageViews(deps, who, { ...aboutMessages(who, agent, conversation), messages });
  if (view?.id !== head.id) throw new AppError('not_found', { message: 'There is no such message.' });
  return part(who, <Message message={view} />);
}

/** The form that says a message otherwise, in its place. */
async function editing(
  deps: LiveDeps,
  who: Who,
  request: Request,
  form: {
    conversation: Conversation;
    message: MessageHead;
    text: string;
    /** The files that stay; absent: all. */
    keeps?: readonly string[];
    error?: AppError;
  },
): Promise<Response> {
  const { conversation, message, text, keeps, error } = form;
  const had = (await deps.attachments.ofMessages([message])).get(message.id) ?? [];
  const files = had.map((file) => ({ ...attachmentView(file), isKept: keeps?.includes(file.id) ?? true }));
  const edit = {
    messageId: message.id,
    text,
    files,
    lengthMax: TEXT_LENGTH_MAX,
    ...(error && { error: error.fields?.text ?? error.message }),
  };
  const status = error?.status ?? 200;
  if (isPartRequest(request)) return part(who, <EditMessage edit={edit} />, status);
  const before = message.position + AROUND < conversation.lastPosition ? message.position + AROUND : undefined;
  return conversationPage(deps, who, conversation.id, { before, edit, status });
}
