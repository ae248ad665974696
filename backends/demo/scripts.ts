/**
 * The scripts of the demo agent: each shows one thing that a runner can do to its client. The answer to "help"
 * (`answers.ts`) documents them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callBack } from '../shared/callback';
import { BrokenConnection, type Pieces } from '../shared/chat';
import { AgentError } from '../shared/openai';
import { drawPicture } from './picture';
import { say } from './say';
import { FOOTNOTES, MARKDOWN, MATH, PASSAGE, UNICODE } from './texts';

/** `rest` is the text of the message after the scripted word, `session` the name of the conversation. */
type Script = (rest: string, signal: AbortSignal, session?: string) => Pieces;

/** The part of the answer that is sent before the script breaks it. */
const HALF = PASSAGE.slice(0, PASSAGE.length / 2);
const SECOND_HALF = PASSAGE.slice(HALF.length);

const THOUGHT = `The user wants to see me think. I do not, but I can show what it looks like:

1. **Read** the question.
2. **Weigh** what could be meant.
3. **Answer** in one sentence.`;

export const SCRIPTS: ReadonlyMap<string, Script> = new Map<string, Script>([
  ['slow', (rest, signal) => say(rest || PASSAGE, 150, signal)],
  ['long', long],
  ['echo', (rest, signal) => say(rest, 5, signal)],
  ['unicode', (_rest, signal) => say(UNICODE, 5, signal)],
  ['markdown', (_rest, signal) => say(MARKDOWN, 5, signal)],
  ['math', (_rest, signal) => say(MATH, 15, signal)],
  ['footnotes', (_rest, signal) => say(FOOTNOTES, 15, signal)],
  ['code', (rest, signal) => lines(rest, { before: ['```ts'], line: codeLine, after: ['```'] }, signal)],
  ['list', (rest, signal) => lines(rest, { line: listItem }, signal)],
  [
    'table',
    (rest, signal) => lines(rest, { before: ['| Row | What | Count |', '|---|---|---:|'], line: tableRow }, signal),
  ],
  ['image', image],
  ['think', think],
  ['tools', tools],
  ['remind', remind],
  ['silent', silent],
  ['length', length],
  ['filter', filter],
  ['continue', (_rest, signal) => say(SECOND_HALF, 15, signal)],
  ['fail', fail],
  ['error', error],
  ['break', broken],
  ['crash', crash],
]);

async function* long(rest: string, signal: AbortSignal): Pieces {
  const paragraphs = numberOr(rest, 40, 5000);
  for (let index = 1; index <= paragraphs; index += 1) {
    yield { text: `**${index}.** ${PASSAGE}\n\n` };
    // Gives the event loop time for other requests and for a disconnect.
    await sleep(1, undefined, { signal });
  }
}

interface Lines {
  readonly before?: readonly string[];
  readonly line: (n: number) => string;
  readonly after?: readonly string[];
}

/** One line every 40 ms, as many as the message says, or 60. */
async function* lines(rest: string, { before = [], line, after = [] }: Lines, signal: AbortSignal): Pieces {
  const count = numberOr(rest, 60, 5000);
  yield { text: before.map((one) => `${one}\n`).join('') };
  for (let n = 1; n <= count; n += 1) {
    yield { text: `${line(n)}\n` };
    await sleep(40, undefined, { signal });
  }
  yield { text: after.join('\n') };
}

const codeLine = (n: number) => `const answer${n} = await ask(agent, 'question ${n}'); // line ${n}`;
const listItem = (n: number) => `- Item ${n} has **weight**, some \`code\` and a few words more`;
const tableRow = (n: number) => `| ${n} | some *words* in a cell | ${n * n} |`;

/** A picture beside the text, as gateways send it; with `markdown` in the text, as some models write it. */
async function* image(rest: string, signal: AbortSignal): Pieces {
  yield* say('I drew some *hills*, without any model:', 15, signal);
  const url = drawPicture();
  if (/^markdown\b/i.test(rest)) {
    for (const piece of `\n\n![Hills](${url})`.match(/.{1,4096}/gs) ?? []) yield { text: piece };
  } else yield { deltaMore: { images: [{ type: 'image_url', image_url: { url } }] } };
  yield* say('\n\nWhat you see is stored with this conversation.', 15, signal);
}

async function* think(rest: string, signal: AbortSignal): Pieces {
  for await (const piece of say(rest || THOUGHT, 40, signal)) {
    yield { reasoning: piece.text ?? '' };
  }
  yield* say('That was my *reasoning*, sent apart from the answer.', 15, signal);
}

/** Thinks, uses two tools that only pretend, or as many as the message says, and answers. */
async function* tools(rest: string, signal: AbortSignal): Pieces {
  for await (const { text = '' } of say('I need to know what is in my home, and how long it is.', 40, signal)) {
    yield { reasoning: text };
  }
  const count = numberOr(rest, 0, 200);
  yield* count > 0 ? manyTools(count, signal) : twoTools(signal);
}

async function* twoTools(signal: AbortSignal): Pieces {
  const files = { toolCallId: 'call_1', tool: 'list_files' };
  yield { toolReport: { ...files, status: 'running', arguments: { path: '~', hidden: false } } };
  await sleep(900, undefined, { signal });
  yield { toolReport: { ...files, status: 'completed', result: 'AGENTS.md\nsessions/' } };
  const count = { toolCallId: 'call_2', tool: 'count_lines' };
  yield { toolReport: { ...count, status: 'running', arguments: { file: 'AGENTS.md' } } };
  await sleep(1_400, undefined, { signal });
  yield { toolReport: { ...count, status: 'completed', result: JSON.stringify({ lines: 12, words: 96 }) } };
  yield* say(
    'My home has `AGENTS.md` and a folder of sessions. *These tools only pretend: I am the demo.*',
    15,
    signal,
  );
}

/** One call every 400 ms, of which each tenth fails. */
async function* manyTools(count: number, signal: AbortSignal): Pieces {
  for (let n = 1; n <= count; n += 1) {
    const call = { toolCallId: `call_${n}`, tool: n % 2 === 1 ? 'read_file' : 'count_lines' };
    const file = `notes/${n}.md`;
    yield { toolReport: { ...call, status: 'running', arguments: { file } } };
    await sleep(400, undefined, { signal });
    if (n % 10 === 0) yield { toolReport: { ...call, status: 'failed', result: `There is no ${file}.` } };
    else yield { toolReport: { ...call, status: 'completed', result: `${n * 12} lines` } };
  }
  yield* say(`I used ${count} tools. *They only pretend: I am the demo.*`, 15, signal);
}

/** What a model's limit of tokens cuts: the answer, or with `call` a call of a client's tool. */
async function* length(rest: string, signal: AbortSignal): Pieces {
  if (/^call\b/i.test(rest)) {
    yield* say('I write that down.', 15, signal);
    const cut = { name: 'write_file', arguments: '{"path":"runners.md","content":"A runner is the live exec' };
    yield { toolCalls: [{ index: 0, id: 'call_1', type: 'function', function: cut }], finish: 'length' };
    return;
  }
  yield* say(rest || HALF, 15, signal);
  yield { finish: 'length' };
}

async function* filter(_rest: string, signal: AbortSignal): Pieces {
  yield* say(HALF, 15, signal);
  yield { finish: 'content_filter' };
}

/** Speaks without being asked: a notice during its answer, and a message long after it. */
async function* remind(rest: string, signal: AbortSignal, session?: string): Pieces {
  const seconds = numberOr(rest, 10, 3600);
  const text = rest.replace(/^[\d.]+\s*/, '') || 'This is the reminder that you asked for.';
  const { conversation_id } = await callBack({
    content: `A reminder is set, for ${seconds} seconds from now.`,
    ...(session !== undefined && { conversation_id: session }),
  });
  // The router would stop an agent that is idle for long.
  const alive = setInterval(
    () => void callBack({ kind: 'demo.waiting', conversation_id }).catch(console.error),
    30_000,
  );
  setTimeout(() => {
    clearInterval(alive);
    callBack({ role: 'assistant', content: text, conversation_id }).catch(console.error);
  }, seconds * 1000);
  yield* say(
    `I will write to you in ${seconds} seconds, without being asked. If you are elsewhere by then, this conversation is marked as unread.`,
    15,
    signal,
  );
}

async function* silent(rest: string, signal: AbortSignal): Pieces {
  const seconds = numberOr(rest, 20, 3600);
  await sleep(seconds * 1000, undefined, { signal });
  yield { text: `I was silent for ${seconds} seconds.` };
}

// biome-ignore lint/correctness/useYield: it throws before the first yield.
async function* fail(): Pieces {
  throw new AgentError(500, 'The demo agent failed, as you asked.', { code: 'demo_failure' });
}

async function* error(_rest: string, signal: AbortSignal): Pieces {
  yield* say(HALF, 15, signal);
  throw new AgentError(500, 'The demo agent failed in the middle of its answer, as you asked.', {
    code: 'demo_failure',
  });
}

async function* broken(_rest: string, signal: AbortSignal): Pieces {
  yield* say(HALF, 15, signal);
  throw new BrokenConnection('The demo agent cut the connection, as it was asked to.');
}

async function* crash(_rest: string, signal: AbortSignal): Pieces {
  yield* say(HALF, 15, signal);
  console.error('The demo agent crashed, as it was asked to.');
  process.exit(3);
}

function numberOr(text: string, otherwise: number, max: number): number {
  const value = Number.parseFloat(text);
  return Number.isFinite(value) && value >= 0 ? Math.min(value, max) : otherwise;
}
