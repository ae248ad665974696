/** Turns rows and states into view models. Decides nothing. */

import type { AgentView, AttachLimits, ComposerView, Shell } from '../../../views/models';
import type { Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import type { Agent } from '../../agents/store';
import type { DriverRegistry } from '../../platforms/drivers';
import type { ImagesService } from '../../platforms/images';
import type { AnswerUseService } from '../../usage/answers';
import type { RenderingService } from '../../web/rendering/rendering';
import type { AttachmentsService } from '../attachments/attachments';
import type { ConversationsService } from '../conversations';
import { type GenerationsService, TEXT_LENGTH_MAX } from '../generations/generations';
import type { UsableDeps } from '../usable';
import { conversationList, linksMark } from './present-list';
import { runnerView } from './present-runner';

export interface ChatViewDeps extends UsableDeps {
  readonly agents: AgentsService;
  readonly answerUse: AnswerUseService;
  readonly attachments: AttachmentsService;
  readonly conversations: ConversationsService;
  readonly drivers: DriverRegistry;
  readonly generations: GenerationsService;
  readonly images: ImagesService;
  readonly rendering: RenderingService;
}

/** The agent and the conversation that the page shows. */
export interface Current {
  readonly agentId?: string;
  readonly conversationId?: string;
  /** It shows older messages of the conversation, and not what is unread there. */
  readonly isPast?: boolean | undefined;
}

/**
 * The sidebar: the user's default agent of every backend, created at the first visit, and their other agents, those
 * that cannot start last; and the conversations with all of them.
 */
export async function shellOf(deps: ChatViewDeps, who: Who, current: Current): Promise<Shell> {
  const { user } = who;
  await deps.agents.ensureDefaults(user.id);
  const agents = await deps.agents.list(user.id);
  const views = agents
    .map((agent) => agentView(deps, who, agent, current))
    .sort((a, b) => Number(a.runner.unavailable !== undefined) - Number(b.runner.unavailable !== undefined));
  const conversations = await conversationList(deps, who, { agents, current });
  return {
    user: { id: user.id, name: user.name || user.email, email: user.email, admin: user.role === 'admin' },
    agents: views,
    conversations,
    liveUrl: `/live?user=${user.id}&links=${linksMark(conversations)}`,
  };
}

function agentView(deps: ChatViewDeps, who: Who, agent: Agent, current: Current): AgentView {
  const backend = deps.backends.find(agent.backend);
  return {
    agentId: agent.id,
    backend: agent.backend,
    name: agent.name,
    ...(backend?.description !== undefined && { description: backend.description }),
    suggestions: backend?.suggestions ?? [],
    disabled: backend?.disabled ?? true,
    current: agent.id === current.agentId,
    attach: attachLimits(deps, agent),
    runner: runnerView(deps, who, agent),
  };
}

/** The composer with what was typed and why it was not taken, or an empty one. */
export function composerView({ text = '', error }: { text?: string; error?: string } = {}): ComposerView {
  return { text, lengthMax: TEXT_LENGTH_MAX, ...(error !== undefined && { error }) };
}

/** What can be attached to a message for an agent; `undefined` where nothing can. */
export function attachLimits({ attachments, backends }: ChatViewDeps, { backend }: Agent): AttachLimits | undefined {
  return backends.find(backend)?.attachments ? attachments.limits : undefined;
}
