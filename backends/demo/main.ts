/** The demo agent: offline, predictable and quick to start. It shows the product, and its scripted words show trouble. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pieces, Turn } from '../shared/chat';
import { type Message, textOf } from '../shared/openai';
import { serveAgent } from '../shared/server';
import { answerTo } from './answers';
import { say } from './say';
import { SCRIPTS } from './scripts';

/** Words of an ordinary answer come at this pace. */
const PACE_MS = 15;

serveAgent({
  name: 'demo',
  /** `DEMO_START_DELAY_MS` makes a cold start visible. */
  ready: sleep(Number(process.env.DEMO_START_DELAY_MS ?? '0') || 0),
  async *answer(turn) {
    let said = '';
    for await (const piece of respond(turn)) {
      said += piece.text ?? '';
      yield piece;
    }
    yield { usage: estimateUsage(turn.messages, said) };
  },
});

/** A message that starts with a scripted word follows the script; any other is answered by its key words. */
function respond(turn: Turn): Pieces {
  const asked = textOf(turn.messages.findLast((message) => message.role === 'user')?.content ?? '').trim();
  const [word = ''] = /^\S+/.exec(asked) ?? [];
  const rest = asked.slice(word.length).trimStart();
  const script = SCRIPTS.get(word.toLowerCase());
  return script ? script(rest, turn.signal) : say(answerTo(asked, turn.messages), PACE_MS, turn.signal);
}

/** There is no tokenizer here: a token is taken to be 4 characters. */
function estimateUsage(messages: readonly Message[], said: string) {
  const asked = messages.reduce((sum, message) => sum + textOf(message.content).length, 0);
  const prompt = Math.ceil(asked / 4);
  const completion = Math.ceil(said.length / 4);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
