/** Somebody who behaves: chats on a page and by the API, one answer after the other, and notes how each has ended. */
import type { Browser } from '../../support/process';
import { newestAnswer, sendMessage, startConversation } from '../chat';

/** A conversation is left for another after so many turns, as people do. */
const TURNS = 10;
/** So long an answer may take while everybody else attacks; only then it has failed. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 100;

export interface Behaved {
  /** Answers that came as they should. */
  readonly answers: number;
  /** What went wrong, one line for each. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

export async function behave(who: Browser, url: string, isOver: () => boolean): Promise<Behaved> {
  const key = await who.createKey();
  const failures: string[] = [];
  let answers = 0;
  let slowestMs = 0;
  let path: string | undefined;
  for (let turn = 1; !isOver(); turn += 1) {
    const text = `this is turn ${turn}`;
    const startedMs = performance.now();
    try {
      path = turn % TURNS === 1 ? undefined : path;
      path = await onPage(who, path, text);
      await byApi(url, key, text);
      answers += 2;
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    } catch (error) {
      path = undefined;
      failures.push(`turn ${turn}: ${error instanceof Error ? error.message.slice(0, 300) : error}`);
      await Bun.sleep(1_000);
    }
  }
  return { answers, failures, slowestMs: Math.round(slowestMs) };
}

async function onPage(who: Browser, conversation: string | undefined, text: string): Promise<string> {
  const path = conversation ?? (await startConversation(who, 'demo', `echo ${text}`));
  if (conversation !== undefined) await sendMessage(who, path, `echo ${text}`);
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await newestAnswer(who, path);
    if (answer.status === 'done' && answer.text?.trim() === text) return path;
    const isWrong = answer.status !== 'streaming' && answer.status !== 'done';
    if (isWrong || performance.now() > untilMs) throw new Error(`the page shows ${answer.status}: ${answer.text}`);
    await Bun.sleep(LOOK_MS);
  }
}

async function byApi(url: string, key: string, text: string): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: `echo ${text}` }] }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const said = await response.text();
  if (!said.includes(text)) throw new Error(`the API answers ${response.status}: ${said}`);
}
