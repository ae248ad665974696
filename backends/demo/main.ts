/**
 * The demo agent: offline, predictable and quick to start. It explains the product; its scripted words cause failures
 * on request.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pieces, Turn } from '../shared/chat';
import { type Message, textOf } from '../shared/openai';
import { serveAgent } from '../shared/server';
import { answerTo } from './answers';
import { listOf, picturesIn, withoutFiles } from './files';
import { say } from './say';
import { SCRIPTS } from './scripts';

/** Pause after each word of an ordinary answer. */
const PACE_MS = 15;

serveAgent({
  name: 'demo',
  /** `DEMO_START_DELAY_MS` delays the start, so that a cold start can be seen in the UI. */
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

/** Says which files came, then runs the script when the message starts with a scripted word; otherwise answers by key words. */
async function* respond(turn: Turn): Pieces {
  const { content } = turn.messages.findLast((message) => message.role === 'user') ?? {};
  const told = withoutFiles(newestIn(textOf(content)));
  const asked = told.asked.trim();
  const files = told.files.length > 0 ? told.files : picturesIn(content);
  if (files.length > 0) yield* say(listOf(files), PACE_MS, turn.signal);
  if (files.length > 0 && asked === '') return;
  const [word = ''] = /^\w+/.exec(asked) ?? [];
  const rest = asked.slice(word.length).replace(/^:?\s*/, '');
  const script = SCRIPTS.get(word.toLowerCase());
  yield* script ? script(rest, turn.signal, turn.session) : say(answerTo(asked, turn.messages), PACE_MS, turn.signal);
}

/** Estimates tokens without a tokenizer: 4 characters are one token. */
function estimateUsage(messages: readonly Message[], said: string) {
  const asked = messages.reduce((sum, message) => sum + textOf(message.content).length, 0);
  const prompt = Math.ceil(asked / 4);
  const completion = Math.ceil(said.length / 4);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** A new session is told what was said before it inside its first message, each part under its role. */
function newestIn(text: string): string {
  if (!/^(user|assistant):\n/.test(text)) return text;
  const told = `\n\n${text}`;
  const mark = '\n\nuser:\n';
  return told.slice(told.lastIndexOf(mark) + mark.length);
}
