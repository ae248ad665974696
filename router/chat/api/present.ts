/** Conversations and messages as the predecessor's API has them. Times are Unix seconds. */
import { unixSeconds } from '../../lib/time';
import type { Attachment } from '../attachments/store';
import type { ToldConversation } from './posted';
import type { TellingMessage } from './whole-store';

export function conversationJson(one: ToldConversation) {
  return {
    id: one.id,
    backend: one.backend,
    model: one.model,
    agent_id: one.agentId,
    title: one.title,
    created_at: unixSeconds(one.createdAtMs),
    updated_at: unixSeconds(one.updatedAtMs),
    message_count: one.messageCount,
    seq: one.seq,
    pinned: one.shelf === 'pinned',
    archived: one.shelf === 'archived',
    unsaved: one.isUnsaved,
  };
}

export function attachmentJson({ id, name, type, bytes }: Attachment) {
  return { id, name, type, bytes, url: `/api/attachments/${id}` };
}

/** An answer that failed before its first word has the role `error`, and the reason as its text. A callback may have data. */
export function messageJson(
  { id, role, content, status, failure, incomplete, createdAtMs, extra }: TellingMessage,
  files: readonly Attachment[] = [],
) {
  const isError = status === 'failed' && content === '';
  return {
    id,
    role: isError ? 'error' : role,
    content: isError ? (failure?.message ?? '') : content,
    created_at: unixSeconds(createdAtMs),
    status,
    ...(failure && { failure }),
    ...(incomplete && { incomplete }),
    ...(files.length > 0 && { attachments: files.map(attachmentJson) }),
    ...(extra && { extra }),
  };
}
