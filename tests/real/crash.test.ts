/** The router is killed at a random moment while many answers are recorded at once, and starts again on the same data. */
import { Database } from 'bun:sqlite';
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { type RouterProcess, startRouterProcess } from '../support/process';
import { puppetAt } from '../support/puppet-backend';
import { until } from '../support/router';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

const SHORT_CLIENTS = 24;
const STREAM_CLIENTS = 8;
const WORD_MS = 10;
const LONG_TEXT = 'x'.repeat(3_000);
const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index + 1} `).join('');
const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

/** What the runner answers: a question's echo at once, or words without an end. */
const script = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const { messages, stream } = (await request.json()) as { messages: { content: string }[]; stream?: boolean };
    const asked = messages.at(-1)?.content ?? '';
    if (!stream) return Response.json({ choices: [{ message: { role: 'assistant', content: echo(asked) } }] });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    void (async () => {
      for (let n = 1; ; n += 1) {
        await writer.write(Buffer.from(event(`w${n} `)));
        await Bun.sleep(WORD_MS);
      }
    })().catch(() => undefined);
    return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
  },
});
afterAll(() => script.stop(true));
const echo = (asked: string) => `${asked} is what was asked. ${LONG_TEXT}`;

/** What the clients have read, by the question. */
interface Seen {
  /** Questions whose answer was read to its end. */
  readonly answered: Set<string>;
  /** Words of streams, with when they were read. */
  readonly words: Map<string, { readonly word: number; readonly atMs: number }[]>;
}

async function ask(router: RouterProcess, key: string, body: object, conversationId?: string): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...(conversationId !== undefined && { 'x-conversation-id': conversationId }),
    },
    body: JSON.stringify({ model: 'puppet', store: true, ...body }),
  });
}

/** One question after the other in one conversation, until the router is gone. */
async function shortClient(router: RouterProcess, key: string, name: string, seen: Seen): Promise<void> {
  let conversationId: string | undefined;
  for (let n = 1; ; n += 1) {
    const content = `${name} question ${n}`;
    const response = await ask(router, key, { messages: [{ role: 'user', content }] }, conversationId);
    expect([content, response.status]).toEqual([content, 200]);
    await response.text();
    conversationId = response.headers.get('x-conversation-id') ?? undefined;
    seen.answered.add(content);
  }
}

/** @param conversationId a new one where it is absent. */
async function streamClient(
  router: RouterProcess,
  key: string,
  { name, conversationId }: { name: string; conversationId?: string | undefined },
  seen: Seen,
): Promise<void> {
  const read: { word: number; atMs: number }[] = [];
  seen.words.set(name, read);
  const asked = { stream: true, messages: [{ role: 'user', content: name }] };
  const { body } = await ask(router, key, asked, conversationId);
  for await (const chunk of body ?? []) {
    for (const [, word] of Buffer.from(chunk)
      .toString()
      .matchAll(/w(\d+)/g)) {
      read.push({ word: Number(word), atMs: performance.now() });
    }
  }
}

/** Whether each stream was read for more than the second that may be lost. */
function haveGrown({ words }: Seen): boolean {
  const nowMs = performance.now();
  return words.size === STREAM_CLIENTS && [...words.values()].every(([first]) => first && first.atMs < nowMs - 1_200);
}

interface Row {
  readonly conversation: string;
  readonly position: number;
  readonly role: 'user' | 'assistant';
  readonly status: string;
  readonly failure: string | null;
  readonly content: string;
}

/** The messages of every conversation, in their order. */
function stored(router: RouterProcess): Map<string, Row[]> {
  const database = new Database(join(router.dataRoot, 'router.db'), { readonly: true });
  const rows = database
    .query<Row, []>(
      `SELECT conversation_id AS conversation, position, role, status, failure, content FROM messages
        ORDER BY conversation_id, position`,
    )
    .all();
  database.close();
  return Map.groupBy(rows, ({ conversation }) => conversation);
}

test('law 17: a kill at any moment loses no answer that was read to its end, no half turn, and a second of text', async () => {
  const backends = [puppetAt(`http://127.0.0.1:${script.port}`)];
  await using router = await startRouterProcess({ backends });
  const key = await (await router.signIn()).createKey();
  for (const round of [1, 2, 3]) {
    // The first answers start the runner again.
    const first = await ask(router, key, { messages: [{ role: 'user', content: `warm up ${round}` }] });
    expect(first.status).toBe(200);
    const begun = first.headers.get('x-conversation-id') ?? undefined;
    const seen: Seen = { answered: new Set(), words: new Map() };
    const clients = [
      ...Array.from({ length: SHORT_CLIENTS }, (_, n) => shortClient(router, key, `round ${round} client ${n}`, seen)),
      ...Array.from({ length: STREAM_CLIENTS }, (_, n) =>
        // The turn of one that goes on is stored later than that of one that begins.
        streamClient(
          router,
          key,
          { name: `round ${round} stream ${n}`, ...(n === 0 && { conversationId: begun }) },
          seen,
        ),
      ),
    ];
    const over = Promise.allSettled(clients);
    const enough = SHORT_CLIENTS * (5 + Math.random() * 20);
    await until(() => seen.answered.size > enough && haveGrown(seen), 'there is enough to lose');
    const killedAtMs = performance.now();
    await router.kill('SIGKILL');
    await over;
    await router.start();

    const conversations = stored(router);
    const answers = new Map<string, Row>();
    for (const messages of conversations.values()) {
      expect(messages.map(({ position }) => position)).toEqual(messages.map((_, index) => index + 1));
      expect(messages.map(({ role }) => role)).toEqual(messages.map((_, n) => (n % 2 === 0 ? 'user' : 'assistant')));
      for (const [n, { role, content }] of messages.entries()) {
        const answer = messages[n + 1];
        if (role === 'user' && answer) answers.set(content, answer);
      }
    }
    for (const [question, { status, failure, content }] of answers) {
      const whole = question.includes('stream') ? words(5_000) : echo(question);
      expect(whole).toStartWith(content);
      if (status === 'done') expect(content).toBe(whole);
      else expect([question, status, failure]).toEqual([question, 'failed', expect.stringContaining('shutting_down')]);
    }
    expect(seen.answered.size).toBeGreaterThan(SHORT_CLIENTS);
    const lost = [...seen.answered].filter((question) => answers.get(question)?.status !== 'done');
    expect(lost).toEqual([]);
    for (const [name, read] of seen.words) {
      const due = read.filter(({ atMs }) => atMs <= killedAtMs - 1_000).at(-1)?.word ?? 0;
      const kept = Number(/w(\d+) $/.exec(answers.get(name)?.content ?? '')?.[1] ?? 0);
      expect([name, kept >= due]).toEqual([name, true]);
    }
  }
});
