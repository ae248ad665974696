/** Builds the objects of `/v1/responses` from stored messages. */
import type { Message, ToolCall, WholeMessage } from '../../chat/store/conversations';
import { REASONS } from './endings';
import { JsonList } from './json-list';
import { type Item, ItemIds, type ItemStatus, responseOf, type Status, shown } from './objects';

/** With what was thought for it, where that was read. */
type StoredAnswer = Message & Partial<Pick<WholeMessage, 'steps'>>;

/** Builds a stored answer. The options of its request are not stored. */
export function responseFrom(message: StoredAnswer, model: string): object {
  const { id, failure, incomplete, createdAtMs, conversationId } = message;
  const [status, itemStatus] = statusesOf(message);
  const requested = { id: `resp_${id}`, createdAtMs, body: { model }, conversationId };
  const why = { ...(failure && { failure }), ...(incomplete && { reason: REASONS[incomplete] }) };
  return responseOf(requested, { status, output: outputOf(message, itemStatus), ...why });
}

interface Thought {
  readonly kind: 'thought';
  text: string;
  readonly textLengthBefore: number;
  readonly callsBefore: number;
}

/** The thoughts, the texts and the calls of a stored answer, in the order in which they came. */
function outputOf({ id, content, calls, steps }: StoredAnswer, status: ItemStatus): readonly Item[] {
  const output: Item[] = [];
  const ids = new ItemIds(`resp_${id}`);
  let told = 0;
  const say = (upTo: number) => {
    const text = content.slice(told, upTo);
    told = Math.max(told, upTo);
    if (text === '') return;
    const item = { id: ids.next('msg'), type: 'message', role: 'assistant', status, text } as const;
    output.push({ ...item, annotations: new JsonList(), logprobs: new JsonList() });
  };
  const thoughts: Thought[] = [];
  for (const step of steps ?? []) {
    if (step.kind !== 'thought' || step.text.trim() === '') continue;
    const { text, textLengthBefore = 0, callsBefore = 0 } = step;
    const last = thoughts.at(-1);
    // Two with nothing but a tool of the agent between them are one item in the stream, which tells of no such tool.
    if (last?.textLengthBefore === textLengthBefore && last.callsBefore === callsBefore) last.text += text;
    else thoughts.push({ kind: 'thought', text, textLengthBefore, callsBefore });
  }
  const called = (calls ?? []).map((call, callsBefore) => ({ kind: 'call' as const, callsBefore, ...call }));
  // The order stays where it is equal: a thought goes before the call that has as many calls before it.
  for (const one of [...thoughts, ...called].sort((a, b) => a.callsBefore - b.callsBefore)) {
    say(one.textLengthBefore);
    if (one.kind === 'thought') output.push({ id: ids.next('rs'), type: 'reasoning', status, text: one.text });
    else output.push({ ...callItem(one), id: ids.next('fc'), status });
  }
  say(content.length);
  return output;
}

function callItem({ id: call_id, name, namespace, arguments: args, more }: ToolCall) {
  return {
    ...{ type: 'function_call' as const, call_id, name },
    ...(namespace !== undefined && { namespace }),
    arguments: args,
    ...(more && { more }),
  };
}

/** The input of a stored answer: the outputs that were sent for it, or those and the user message before it. */
export function inputItems(
  answer: Message,
  before: Message | undefined,
  content: readonly object[],
): readonly { readonly id: string }[] {
  return before?.role === 'user' ? [...itemsOf(before, content), ...resultsOf(answer)] : resultsOf(answer);
}

/**
 * Returns all items of a stored message, with the ids that clients were given.
 * @param given The content of a user's message with its files.
 */
export function itemsOf(message: StoredAnswer, given?: readonly object[]): readonly { readonly id: string }[] {
  const { id, role, content } = message;
  if (role === 'assistant') {
    const output = outputOf(message, statusesOf(message)[1]);
    return [...resultsOf(message), ...output.map((item) => ({ ...shown(item), id: item.id }))];
  }
  const parts = given ?? [{ type: 'input_text', text: content }];
  const said = { id: `msg_${id}`, type: 'message', role, status: 'completed', content: parts };
  return [...resultsOf(message), said];
}

function resultsOf({ id, results }: Message): readonly { readonly id: string }[] {
  return (results ?? []).map(({ callId, output }, index) => {
    return { id: `fco_${id}_${index}`, type: 'function_call_output', status: 'completed', call_id: callId, output };
  });
}

const STATUSES: Readonly<Record<Message['status'], readonly [Status, ItemStatus]>> = {
  streaming: ['in_progress', 'in_progress'],
  done: ['completed', 'completed'],
  stopped: ['incomplete', 'incomplete'],
  failed: ['failed', 'incomplete'],
};

/** Of the response, and of its items. */
function statusesOf({ status, incomplete }: Message): readonly [Status, ItemStatus] {
  return status === 'done' && incomplete ? ['incomplete', 'incomplete'] : STATUSES[status];
}
