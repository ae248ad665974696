/** An MCP server over standard input and output with one tool, which repeats its input. */
import { createInterface } from 'node:readline';

const inputSchema = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
const ANSWERS: Readonly<Record<string, (parameters: { readonly arguments?: { readonly text?: string } }) => object>> = {
  initialize: () => ({
    ...{ protocolVersion: '2025-06-18', capabilities: { tools: {} } },
    serverInfo: { name: 'probe', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [{ name: 'probe_echo', description: 'Repeats a text.', inputSchema }] }),
  'tools/call': (parameters) => ({ content: [{ type: 'text', text: `PROBED ${parameters.arguments?.text}` }] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  // A notification has no id, and gets no answer.
  if (id !== undefined)
    console.log(JSON.stringify({ jsonrpc: '2.0', id, result: ANSWERS[method]?.(params ?? {}) ?? {} }));
}
