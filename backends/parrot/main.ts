/** The smallest agent: answers with the text of the user's message. Copy this folder to write your own agent. */
import { textOf } from '../shared/openai';
import { serveAgent } from '../shared/server';

serveAgent({
  // The model id in the agent's answers.
  name: 'parrot',
  // Until this resolves the agent answers 503 and the router waits. Load here what the first message needs.
  ready: Promise.resolve(),
  // Each piece is sent as soon as it is yielded. Throw an `AgentError` for a message that the client should read.
  async *answer({ messages }) {
    const heard = textOf(messages.findLast(({ role }) => role === 'user')?.content ?? '');
    for (const word of heard.split(/(?<=\s)/)) yield { text: word };
  },
});
