/** Scripted tool calls of an upstream, and what the tools gave back. */
import type { ErrorScript, Upstream } from '../../support/upstream';

/** An upstream's answer that is nothing but a call of a tool, as a stream. */
export function toolCall(name: string, input: object): ErrorScript {
  const call = { index: 0, id: 'call_1', type: 'function', function: { name, arguments: JSON.stringify(input) } };
  const chunk = (delta: object, finish: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    const event = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 1_700_000_000, choices };
    return `data: ${JSON.stringify(event)}\n\n`;
  };
  const body = `${chunk({ role: 'assistant', tool_calls: [call] }, null)}${chunk({}, 'tool_calls')}data: [DONE]\n\n`;
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
}

/** What tools have given back, in the newest request to the upstream. */
export function toolOutput({ requests }: Upstream): string {
  const outputs = requests.at(-1)?.body.messages?.filter(({ role }) => role === 'tool') ?? [];
  return outputs.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content))).join('\n');
}
