/** Answers with the page of a conversation, or of a new one; the routes of several files do so. */
import { LoggedMessages } from '../../../views/chat/conversation';
import { ChatPage } from '../../../views/chat/page';
import type { ConversationView, EditView } from '../../../views/models';
import type { Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import { missingView, type Typed } from '../../credentials/present';
import { modelOf } from '../../credentials/present-model';
import { AppError } from '../../lib/errors';
import { done, page, pageUrl, part, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import type { LiveDeps } from '../live/options';
import { formatSeen } from '../live/seen';
import { StepsOnPage } from '../live/steps';
import type { Conversation } from '../store/conversations';
import type { Shelf } from '../store/shelves';
import { type Current, composerView, shellOf } from './present';
import { aboutMessages, hadOf, messageViews } from './present-messages';

const PAGE_MESSAGES = 50;
/** The page of a message that is being edited, in its conversation. */
const EDIT_PAGE = /^\/messages\/\w+\/edit$/;

async function aboutAgent(deps: LiveDeps, who: Who, agent: Agent, shown: Omit<Current, 'agentId'> = {}) {
  const shell = await shellOf(deps, who, { agentId: agent.id, ...shown });
  const view = shell.agents.find((one) => one.agentId === agent.id);
  if (!view) throw new AppError('not_found', { message: 'The backend of this agent is no longer configured.' });
  const budget = deps.budgets.ownState(who.user.id);
  const usedUpUntilMs = budget?.level === 'hard' ? budget.resetsAtMs : undefined;
  const backend = deps.backends.find(agent.backend);
  const model = backend && (await modelOf(deps, agent, backend));
  return { shell, agent: view, model, usedUpUntilMs };
}

/** The page where a conversation with an agent begins. */
export async function newConversationPage(
  deps: LiveDeps,
  who: Who,
  agent: Agent,
  typed: {
    text?: string;
    error?: string;
    importError?: string;
    status?: number;
    /** A conversation that was just deleted, and where it was. */
    deleted?: { id: string; shelf: Shelf } | undefined;
  },
): Promise<Response> {
  const { deleted } = typed;
  const canRestore =
    deleted !== undefined && (await deps.conversations.findDiscarded(who.user.id, deleted.id)) !== undefined;
  const about = await aboutAgent(deps, who, agent);
  const backend = deps.backends.find(agent.backend);
  const missing = backend ? await deps.credentials.missing(agent, backend) : [];
  return page(
    who,
    <ChatPage
      {...about}
      missing={missing.map(({ name }) => name)}
      composer={composerView(typed)}
      importError={typed.importError}
      deleted={canRestore ? deleted : undefined}
    />,
    typed.status,
  );
}

interface PageOptions {
  /** Messages before this position, instead of the newest. */
  readonly before?: number | undefined;
  readonly composer?: { text: string; error?: string };
  /** A refused form in place of the newest answer. */
  readonly typed?: Typed;
  /** The message that is being edited. */
  readonly edit?: EditView;
  readonly status?: number;
}

/** The page of a conversation: its newest messages, or those before a position. */
export async function conversationPage(deps: LiveDeps, who: Who, id: string, options: PageOptions): Promise<Response> {
  const conversation = await deps.conversations.get(who.user.id, id);
  const agent = await deps.agents.get(who.user.id, conversation.agentId);
  const isPast = options.before !== undefined;
  const about = await aboutAgent(deps, who, agent, { conversationId: conversation.id, isPast });
  const { liveUrl } = about.shell;
  const view = await conversationView(deps, who, { conversation, agent, liveUrl, ...options });
  return page(
    who,
    <ChatPage {...about} conversation={view} composer={composerView(options.composer)} />,
    options.status,
  );
}

/** Messages before a position, for a page that has those from there on. */
export async function earlierMessages(deps: LiveDeps, who: Who, id: string, before: number): Promise<Response> {
  const conversation = await deps.conversations.get(who.user.id, id);
  const agent = await deps.agents.get(who.user.id, conversation.agentId);
  return part(
    who,
    <LoggedMessages conversation={await conversationView(deps, who, { conversation, agent, before })} />,
  );
}

async function conversationView(
  deps: LiveDeps,
  who: Who,
  shown: PageOptions & { conversation: Conversation; agent: Agent; liveUrl?: string },
): Promise<ConversationView> {
  const { conversation, agent, liveUrl = '', before, typed, edit } = shown;
  const { messages, hasMore } = await deps.conversations.shown(conversation.id, { before, limit: PAGE_MESSAGES });
  const [first, last] = [messages[0], messages.at(-1)];
  const missing = await missingView(deps, who, { agent, message: last, typed });
  const views = await messageViews(deps, who, { ...aboutMessages(who, agent, conversation), missing, messages });
  const isUnsaved = before === undefined && deps.generations.isUnsaved(who.user.id, conversation.id);
  const streaming = views.find(({ status }) => status === 'streaming');
  // Callbacks may follow the message that is being written.
  const seen = {
    position: streaming?.position ?? last?.position ?? conversation.lastPosition,
    growing: streaming && hadOf(streaming),
    steps: new StepsOnPage('', streaming?.steps ?? []).seen,
  };
  return {
    id: conversation.id,
    title: conversation.title || textOf(who).conversation.untitled,
    isArchived: conversation.shelf === 'archived',
    // SQLite has numbers for it, which a view would show.
    isUnread: Boolean(conversation.isUnread),
    agentId: agent.id,
    agentName: agent.name,
    messages: views,
    ...(before !== undefined && { isPast: true }),
    ...(isUnsaved && { isUnsaved }),
    ...(edit && { edit }),
    ...(first && hasMore && { earlierHref: `/conversations/${conversation.id}?before=${first.position}` }),
    ...(streaming && { streamingId: streaming.id }),
    liveUrl: `${liveUrl}&conversation=${conversation.id}&${before === undefined ? `after=${formatSeen(seen)}` : 'past='}${isUnsaved ? '&unsaved=' : ''}`,
  };
}

/**
 * After a form that changes a conversation: the page of its newest messages, or of one that is being edited there, gets the
 * effect by its stream, and any other page, for example one of older messages, is left for `to`.
 */
export function doneIn({ id }: Pick<Conversation, 'id'>, request: Request, to = `/conversations/${id}`): Response {
  const from = pageUrl(request);
  const isHere = from?.pathname === `/conversations/${id}` && !from.searchParams.has('before');
  // What is being written there is nowhere else.
  const isTold = !from || isHere || EDIT_PAGE.test(from.pathname);
  return isTold ? done(request, to) : seeOther(request, to);
}
