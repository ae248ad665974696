/** Turns the stored messages of a conversation into the messages of a chat request. */

import type { ChatMessage } from '../../backends/shape';
import type { ToldThoughts } from '../../chat/generations/told';
import type { Message, ToolCall } from '../../chat/store/conversations';
import { chatName } from './tools';

/** What is told of a stored conversation. */
export interface ToldHistory {
  /** Oldest first. */
  readonly stored: readonly Message[];
  /** What is told of each, by its id: with its files. */
  readonly contents: ReadonlyMap<string, unknown>;
  /** What is told of the thoughts for each answer. */
  readonly thoughts: ToldThoughts;
}

/**
 * Returns the messages with their tool calls, each followed by its result. LLMs refuse a call without a result, so
 * calls that the client never answered are left out.
 * @param outputs Call id → output, for the open calls that the request answers.
 */
export function historyOf(
  { stored, contents, thoughts }: ToldHistory,
  outputs: ReadonlyMap<string, unknown>,
): ChatMessage[] {
  const history: ChatMessage[] = [];
  // From the newest message back, because some runtimes reuse ids: a result belongs to the last call before it.
  const found = new Map(outputs);
  for (const { id: messageId, role, calls: called, results } of stored.toReversed()) {
    const content = contents.get(messageId) ?? '';
    const answered = (called ?? []).filter(({ id }) => found.has(id));
    const told = answered.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: found.get(id) }));
    if (answered.length > 0) {
      const calls = answered.map(chatCall);
      history.unshift({ role, content: content || null, ...thoughts.get(messageId), tool_calls: calls }, ...told);
    } else if (content !== '') history.unshift({ role, content, ...thoughts.get(messageId) });
    for (const { id } of answered) found.delete(id);
    for (const { callId, output } of results ?? []) found.set(callId, output);
  }
  return history;
}

/** Ids of the calls whose outputs a request may send: those in answers to the newest user message. */
export function openCalls(stored: readonly Message[]): ReadonlySet<string> {
  const answers = stored.slice(stored.findLastIndex(({ role }) => role === 'user') + 1);
  return new Set(answers.flatMap(({ calls }) => calls ?? []).map(({ id }) => id));
}

function chatCall({ id, name, namespace, arguments: args, more }: ToolCall) {
  return { ...more, id, type: 'function', function: { name: chatName(name, namespace), arguments: args } };
}
