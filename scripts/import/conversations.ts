/** Imports the conversations of the first agent-stack, with their messages. */
import { eq } from 'drizzle-orm';
import { TITLE_LENGTH_MAX, titleFrom } from '../../router/chat/conversations';
import { GrowingText } from '../../router/chat/generations/growing-text';
import type { Db } from '../../router/database/database';
import { conversations, messagePieces, messages } from '../../router/database/schema/chat';
import type { Importing } from './accounts';
import type { OldAgent, OldConversation, OldMessage } from './source';

/** @param agents those of the users, in the order of their ordinals. */
export function importConversations(importing: Importing, agents: readonly OldAgent[]): void {
  const { source, report, userIds } = importing;
  for (const conversation of source.conversations()) {
    if (!userIds.has(conversation.user_id)) continue;
    const agent = agentOf(conversation, agents);
    if (!agent) {
      report.note(
        'Conversations left out, because their agent was deleted',
        `${conversation.id}: ${conversation.title ?? ''}`,
      );
      continue;
    }
    importConversation(importing, conversation, agent);
  }
}

function agentOf({ user_id, backend, agent_id }: OldConversation, agents: readonly OldAgent[]): OldAgent | undefined {
  return agents.find((agent) =>
    agent_id === ''
      ? agent.user_id === user_id && agent.backend === backend
      : agent.user_id === user_id && agent.id === agent_id,
  );
}

function importConversation({ db, source, report }: Importing, conversation: OldConversation, agent: OldAgent): void {
  const { id, model, created_at, updated_at } = conversation;
  // The messages refer to the conversation, whose title and last position are known after them.
  db.insert(conversations)
    .values({
      ...{ id, userId: agent.user_id, agentId: agent.id, title: '', lastPosition: 0 },
      // The first agent-stack filled in the backend's name where no model was chosen.
      model: model === null || model === conversation.backend || model === agent.model ? '' : model,
      ...{ createdAtMs: created_at * 1000, updatedAtMs: updated_at * 1000 },
    })
    .run();
  let lastPosition = 0;
  let title = (conversation.title ?? '').trim().slice(0, TITLE_LENGTH_MAX);
  for (const message of source.messages(id)) {
    if (message.role === 'system') {
      report.note('Notices left out: the conversation has no place for them', `${id}: ${titleFrom(message.content)}`);
      continue;
    }
    lastPosition += 1;
    insertMessage(db, { ...message, conversationId: id, position: lastPosition });
    if (title === '' && message.role === 'user') title = titleFrom(message.content);
    report.count('messages');
  }
  // The runtime's session has another name here, so the next message tells the runtime what was said before.
  db.update(conversations)
    .set({ title, lastPosition, sessionFrom: lastPosition })
    .where(eq(conversations.id, id))
    .run();
  report.count('conversations');
}

function insertMessage(db: Db, message: OldMessage & { conversationId: string; position: number }): void {
  const { id, conversationId, position, content, created_at } = message;
  const createdAtMs = created_at * 1000;
  const isFailed = message.role === 'error';
  const isAnswer = message.role !== 'user';
  const [beginning = '', ...pieces] = isFailed ? [] : isAnswer ? partsOf(content) : [content];
  db.insert(messages)
    .values({
      ...{ id, conversationId, position, createdAtMs, endedAtMs: createdAtMs, content: beginning },
      role: isAnswer ? 'assistant' : 'user',
      status: isFailed ? 'failed' : 'done',
      failure: isFailed ? { code: 'runner_failed', message: content } : null,
    })
    .run();
  for (const [ordinal, piece] of pieces.entries()) {
    db.insert(messagePieces).values({ messageId: id, ordinal, content: piece }).run();
  }
}

/** The text of an answer as it is stored: the part in its row, and the pieces after it. */
function partsOf(content: string): string[] {
  const text = new GrowingText();
  text.add(content);
  const parts: string[] = [];
  for (let part = text.next(true); part; part = text.next(true)) {
    parts.push(part.content);
    text.saved(part);
  }
  return parts;
}
