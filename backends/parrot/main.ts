/** The smallest agent: says again what it was told. Copy this folder to begin one of your own. */
import { textOf } from '../shared/openai';
import { serveAgent } from '../shared/server';

serveAgent({
  // The model id in its answers.
  name: 'parrot',
  // Until this resolves it answers 503 and the router waits: load here what has to be there for the first message.
  ready: Promise.resolve(),
  // Each piece is sent as soon as it is yielded. Throw an `AgentError` for what the client is meant to read.
  async *answer({ messages }) {
    const heard = textOf(messages.findLast(({ role }) => role === 'user')?.content ?? '');
    for (const word of heard.split(/(?<=\s)/)) yield { text: word };
  },
});
