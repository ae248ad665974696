import { MissingCredentials } from '../credentials/missing';
import { Icon } from '../icons';
import { Notice } from '../kit/notice';
import { Time } from '../kit/time';
import { AppLayout } from '../layout';
import type { AgentView, ComposerView, ConversationView, Shelf, Shell } from '../models';
import { useText } from '../render';
import { Availability } from '../runners/availability';
import { Archived } from './archived';
import { Composer } from './composer';
import { MessageLog, TitleBar } from './conversation';
import { Greeting } from './greeting';
import { LiveVoice } from './live';
import { UndoForm } from './options';
import { Unsaved } from './unsaved';

/** Seconds between reloads while an answer grows, for readers without JavaScript. */
const refreshSeconds = 2;

interface ChatProps {
  shell: Shell;
  agent: AgentView;
  /** Absent on the page that begins a new conversation. */
  conversation?: ConversationView | undefined;
  composer: ComposerView;
  /** Why a file could not be imported. */
  importError?: string | undefined;
  /** The model that answers, where the agent's kind has a choice. */
  model?: { now?: string } | undefined;
  /** Names of the credentials that the agent lacks. */
  missing?: string[] | undefined;
  /** A conversation that was just deleted, and can be brought back to where it was. */
  deleted?: { id: string; shelf: Shelf } | undefined;
  /** When the reader's budget, which is used up, starts again. */
  usedUpUntilMs?: number | undefined;
}

/** Says what was deleted, with _Undo_. */
function Deleted({ id, shelf }: { id: string; shelf: Shelf }) {
  const t = useText().conversation;
  return (
    <Notice kind="info" role="status">
      <p>{t.deleted}</p>
      <UndoForm conversationId={id} shelf={shelf} label={t.undo} />
    </Notice>
  );
}

/** The way to the end of what the page shows. */
function Jump() {
  const t = useText().conversation;
  return (
    <button id="jump" type="button" class="button" hidden>
      <Icon name="arrow-down" />
      {t.jump}
    </button>
  );
}

/** Leads to the newest messages, on a page of older ones, which do not grow. */
function Past({ conversationId }: { conversationId: string }) {
  const t = useText().conversation;
  return (
    <p class="past-note">
      {t.past}
      <a class="button" href={`/conversations/${conversationId}`}>
        <Icon name="arrow-down" />
        {t.jump}
      </a>
    </p>
  );
}

/** Says that the budget is used up, before the reader writes a message in vain. */
function UsedUp({ untilMs }: { untilMs: number }) {
  const t = useText().composer;
  return (
    <Notice kind="info">
      <p>
        {t.usedUp} <Time ms={untilMs} />
        {t.usedUpEnd} <a href="/usage">{t.seeUsage}</a>
      </p>
    </Notice>
  );
}

/** Marks the conversation as read, which the live stream does where there are scripts. */
function ReadWithoutScript({ conversationId }: { conversationId: string }) {
  return (
    <noscript>
      <img src={`/conversations/${conversationId}/read`} alt="" width={0} height={0} />
    </noscript>
  );
}

/** In place of a page that the browser kept, until it is known whether its reader is still signed in: app/kept.js. */
function Away() {
  const t = useText();
  return (
    <div class="away" role="status">
      <div id="away" hidden>
        <Notice kind="info">
          <p>{t.conversation.away}</p>
          <div class="row">
            <button type="button" class="button">
              {t.message.retry}
            </button>
          </div>
        </Notice>
      </div>
    </div>
  );
}

/** The page of a conversation with an agent, or of a new one. */
export function ChatPage({
  shell,
  agent,
  conversation,
  composer,
  importError,
  deleted,
  model,
  missing,
  usedUpUntilMs,
}: ChatProps) {
  const t = useText();
  return (
    <AppLayout
      shell={shell}
      liveUrl={conversation?.liveUrl}
      title={conversation?.title ?? agent.name}
      refreshSeconds={conversation?.streamingId === undefined || conversation.edit ? undefined : refreshSeconds}
    >
      <TitleBar agent={agent} conversation={conversation} model={model} />
      {conversation ? <MessageLog conversation={conversation} /> : <Greeting agent={agent} importError={importError} />}
      <div class="dock">
        <div class="column">
          {conversation?.isPast ? <Past conversationId={conversation.id} /> : <Jump />}
          {deleted && <Deleted {...deleted} />}
          {conversation && <Archived conversationId={conversation.id} isArchived={conversation.isArchived} />}
          {conversation && !conversation.isPast && <Unsaved isUnsaved={conversation.isUnsaved} />}
          {!agent.disabled && <Availability runner={agent.runner} />}
          {missing && missing.length > 0 && <MissingCredentials agentName={agent.name} missing={missing} />}
          {usedUpUntilMs !== undefined && <UsedUp untilMs={usedUpUntilMs} />}
          {agent.disabled ? (
            <Notice kind="info">{t.composer.disabled(agent.name)}</Notice>
          ) : (
            // Without scripts it leads away from what is being written in the place of a message.
            <div class={conversation?.edit && 'script-only'}>
              <Composer
                agentId={agent.agentId}
                agentName={agent.name}
                attach={agent.attach}
                composer={composer}
                conversationId={conversation?.id}
                streamingId={conversation?.streamingId}
              />
            </div>
          )}
        </div>
      </div>
      {conversation && <Away />}
      <LiveVoice />
      {conversation?.isUnread && !conversation.isPast && <ReadWithoutScript conversationId={conversation.id} />}
    </AppLayout>
  );
}
