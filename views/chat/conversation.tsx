import { ModelMenu } from '../agents/model-choice';
import { Icon } from '../icons';
import { SidebarButton } from '../layout';
import type { AgentView, ConversationView, EditView, MessageView } from '../models';
import { useText } from '../render';
import { RunnerMenu } from '../runners/runner';
import { EditMessage } from './message/edit';
import { Message } from './message/message';
import { OptionsButton } from './options';

/** The line above a conversation: its title, the runner, and a menu. */
interface TitleProps {
  agent: AgentView;
  conversation?: ConversationView | undefined;
  /** The model that answers, where the agent's kind has a choice. */
  model?: { now?: string } | undefined;
}

export function TitleBar({ agent, conversation, model }: TitleProps) {
  const t = useText();
  return (
    <header class="title-bar">
      <SidebarButton />
      <div class="title">
        {conversation ? <ConversationTitle title={conversation.title} /> : <h1 class="ellipsis">{agent.name}</h1>}
        <div class="title-agent">
          {conversation && (
            <a class="quiet ellipsis" href={`/agents/${agent.agentId}/settings`}>
              {agent.name}
            </a>
          )}
          {model && !agent.disabled && <ModelMenu agentId={agent.agentId} model={model.now} />}
          {!agent.disabled && <RunnerMenu agent={agent} />}
        </div>
      </div>
      {!conversation && (
        <a class="icon-button" href={`/agents/${agent.agentId}/settings`} aria-label={t.agents.settingsOf(agent.name)}>
          <Icon name="settings" />
        </a>
      )}
      {conversation && <OptionsButton id={conversation.id} />}
      {conversation && (
        <a class="icon-button narrow-only" href={`/agents/${agent.agentId}`} aria-label={t.sidebar.newWith(agent.name)}>
          <Icon name="square-pen" />
        </a>
      )}
    </header>
  );
}

/** The conversation's title in the title bar. */
export function ConversationTitle({ title }: { title: string }) {
  return (
    <h1 id="conversation-title" class="ellipsis" dir="auto">
      {title}
    </h1>
  );
}

/**
 * So many messages leave the layout together when they are far from what is read. A browser watches each such group, which
 * takes as long for one message as for ten: 5 ms of each frame for 2,000 groups.
 */
const groupLength = 10;

/** All messages on the page, oldest first. */
export function MessageLog({ conversation }: { conversation: ConversationView }) {
  return (
    <div id="messages" class="column" role="log" aria-label={useText().conversation.log}>
      <LoggedMessages conversation={conversation} />
    </div>
  );
}

/** Messages in groups, behind the way to earlier ones, which come in its place, or as a page without scripts. */
export function LoggedMessages({ conversation }: { conversation: ConversationView }) {
  const t = useText();
  const { earlierHref, isPast, messages } = conversation;
  // The newest ones grow, and are followed. Their groups are full, because the size of one is first estimated.
  const past = Math.max(0, messages.length - groupLength);
  const newest = isPast ? messages.length : past - (past % groupLength);
  const groups = Array.from({ length: Math.ceil(newest / groupLength) }, (_, group) =>
    messages.slice(group * groupLength, Math.min(newest, (group + 1) * groupLength)),
  );
  return (
    <>
      {earlierHref && (
        <div class="earlier">
          <a
            class="button"
            href={earlierHref}
            hx-get={earlierHref}
            hx-trigger="click, intersect once"
            hx-target="closest .earlier"
            hx-swap="outerHTML"
          >
            {t.conversation.earlier}
          </a>
        </div>
      )}
      {groups.map((group) => (
        <div key={group[0]?.id} class="past">
          <Messages messages={group} edit={conversation.edit} />
        </div>
      ))}
      <Messages messages={messages.slice(newest)} edit={conversation.edit} />
    </>
  );
}

function Messages({ messages, edit }: { messages: readonly MessageView[]; edit: EditView | undefined }) {
  return messages.map((message) =>
    message.id === edit?.messageId ? (
      <EditMessage key={message.id} edit={edit} />
    ) : (
      <Message key={message.id} message={message} />
    ),
  );
}
