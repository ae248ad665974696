/** Turns what services know into what views show. Looks up, decides nothing. */
import type { AgentGroup, ConversationLink, CredentialScope, MessageView, RunnerView, Shell } from '../../views/models';
import type { Context } from '../context';
import { text } from '../http/respond';
import type { Who } from '../http/session';
import { INTERRUPTED } from '../services/generations';
import type { Agent } from '../stores/agents';
import type { Conversation, Message } from '../stores/conversations';

/** Which agent and conversation the page is about. */
export interface Current {
  readonly agentId?: string;
  readonly conversationId?: string;
}

export function runnerView(context: Context, agentId: string): RunnerView {
  const { state, progress, failure } = context.runners.status(agentId);
  return {
    agentId,
    state,
    ...(state === 'starting' && { percent: progress.percent, message: text.runner.stages[progress.stage] }),
    ...(failure && { message: failure.message, ...(failure.hint !== undefined && { hint: failure.hint }) }),
  };
}

export function conversationLink(
  conversation: Conversation & { streaming?: boolean },
  current: Current,
): ConversationLink {
  return {
    id: conversation.id,
    title: conversation.title || text.conversation.untitled,
    current: conversation.id === current.conversationId,
    streaming: conversation.streaming ?? false,
  };
}

/** The sidebar: the user's default agent of every backend, made on first sight, and their other agents. */
export async function shellOf(context: Context, who: Who, current: Current): Promise<Shell> {
  const { user } = who;
  await context.agents.ensureDefaults(user.id);
  const agents = await context.agents.list(user.id);
  const conversations = await context.conversations.list(user.id);
  const groups = agents.map((agent) => agentGroup(context, agent, conversations, current));
  return { user: { name: user.name || user.email, email: user.email, admin: user.role === 'admin' }, groups };
}

function agentGroup(
  context: Context,
  agent: Agent,
  conversations: readonly (Conversation & { streaming: boolean })[],
  current: Current,
): AgentGroup {
  const backend = context.backends.find(agent.backend);
  return {
    agentId: agent.id,
    backend: agent.backend,
    name: agent.name,
    ...(backend?.description !== undefined && { description: backend.description }),
    suggestions: backend?.suggestions ?? [],
    disabled: backend?.disabled ?? true,
    current: agent.id === current.agentId,
    runner: runnerView(context, agent.id),
    conversations: conversations
      .filter((conversation) => conversation.agentId === agent.id)
      .map((conversation) => conversationLink(conversation, current)),
  };
}

export function messageView(
  context: Context,
  message: Message,
  about: { agent: Agent; lastPosition: number },
): MessageView {
  const { agent, lastPosition } = about;
  const { failure, status } = message;
  const interrupted = failure?.code === INTERRUPTED;
  const needsCredentials = failure?.code === 'credentials_missing';
  return {
    id: message.id,
    position: message.position,
    role: message.role,
    text: context.generations.textOf(message.id) ?? message.content,
    status,
    createdAtMs: message.createdAtMs,
    agentName: agent.name,
    ...(status === 'streaming' && progressOf(context, agent.id)),
    ...(failure &&
      !interrupted && {
        error: {
          message: failure.message,
          ...(failure.hint !== undefined && { hint: failure.hint }),
          ...(needsCredentials && { action: { href: '/settings#credentials', label: text.error.openSettings } }),
        },
      }),
    interrupted,
    retryable:
      message.role === 'assistant' &&
      (status === 'failed' || status === 'stopped') &&
      message.position === lastPosition,
  };
}

/** How far the runner is, while there is none to answer. */
function progressOf(context: Context, agentId: string): Pick<MessageView, 'progress'> {
  const { state, progress } = context.runners.status(agentId);
  if (state !== 'starting') return {};
  return { progress: { percent: progress.percent, message: text.runner.stages[progress.stage] } };
}

export async function credentialScopes(
  context: Context,
  userId: string,
  refused?: { scope: string; fields: Readonly<Record<string, string>>; values: Readonly<Record<string, string>> },
): Promise<CredentialScope[]> {
  const scopes = await context.credentials.shown(userId);
  return [...scopes].map(([scope, values]) => ({
    scope,
    label: scope === '' ? text.settings.allAgents : (context.backends.find(scope)?.displayName ?? scope),
    isSet: values.some((value) => value.source !== 'unset'),
    fields: values.map(({ name, secret, source, shown }) => {
      const error = refused?.scope === scope ? refused.fields[name] : undefined;
      const typed = refused?.scope === scope && !secret ? refused.values[name] : undefined;
      const value = secret ? undefined : (typed ?? shown);
      return {
        name,
        secret,
        source,
        ...(secret && shown !== undefined && { masked: shown }),
        ...(value !== undefined && { value }),
        ...(error !== undefined && { error }),
      };
    }),
  }));
}
