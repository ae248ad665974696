/** Conversations and messages as the predecessor's API has them. Times are Unix seconds. */
import type { Message } from './store';
import type { CountedConversation } from './store-api';

export function conversationJson(one: CountedConversation) {
  return {
    id: one.id,
    backend: one.backend,
    model: one.model,
    agent_id: one.agentId,
    title: one.title,
    created_at: seconds(one.createdAtMs),
    updated_at: seconds(one.updatedAtMs),
    message_count: one.messageCount,
    seq: one.seq,
    pinned: one.shelf === 'pinned',
    archived: one.shelf === 'archived',
  };
}

/** An answer that failed before its first word has the role `error`, and the reason as its text. */
export function messageJson({ id, role, content, status, failure, createdAtMs }: Message) {
  const isError = status === 'failed' && content === '';
  return {
    id,
    role: isError ? 'error' : role,
    content: isError ? (failure?.message ?? '') : content,
    created_at: seconds(createdAtMs),
    status,
    ...(failure && { failure }),
  };
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
