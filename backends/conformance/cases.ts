/** The cases of the conformance suite of backends, in the order of the table in `backends/README.md`. */
import { expect } from 'bun:test';
import { connect } from 'node:net';
import { type Asked, accessHeaders, ask, type Entry, eventsOf, hasSessions, pathsOf, textOf } from './asking';
import type { Model } from './model';

export interface Running extends Asked, AsyncDisposable {
  /** Ends the runner by SIGTERM, as its platform does. Resolves with its exit code. */
  terminate?(): Promise<number>;
}

export interface Bench {
  readonly entry: Entry;
  readonly model: Model;
  /** Returns a ready runner. All cases that do not end the runner share it. */
  readonly ready: () => Promise<Running>;
  /** Starts a runner for this case alone; it need not be ready yet. */
  readonly start: (accessKey?: string) => Promise<Running>;
}

export interface Case {
  readonly name: string;
  /** Why the case does not apply; undefined when it does. */
  readonly needs?: (entry: Entry) => string | undefined;
  readonly run: (bench: Bench) => Promise<void>;
}

/** One second, as 20 ticks of 50 ms. Counting ticks and not time: on a loaded machine both suite and agent are slower. */
const TICKS = 20;
const TICK_MS = 50;
const CONDITION_MS = 60_000;

const asksModel = ({ user_overridable_env: names = [] }: Entry) =>
  names.includes('LLM_BASE_URL') ? undefined : 'it asks no model, so nothing shows from outside that it has stopped';

export const cases: readonly Case[] = [
  {
    name: 'Health: 200 without a key',
    async run({ entry, ready }) {
      const { url } = await ready();
      expect((await fetch(url + pathsOf(entry).health_path)).status).toBe(200);
    },
  },
  {
    name: 'Ready: refused or 503 until it can take a message, then 200',
    async run({ entry, start }) {
      await using runner = await start();
      const early = await statusesUntilReady(entry, runner);
      expect(early.filter((status) => status !== 0 && status !== 503)).toEqual([]);
      expect(await textOf(await ask(entry, runner, 'echo word-1'))).toContain('word-1');
    },
  },
  {
    name: 'Access key: whatever comes without it, or with another one, is refused with 401',
    async run({ entry, ready }) {
      const runner = await ready();
      const paths = new Set(
        ['/v1/chat/completions', '/v1/models', pathsOf(entry).ready_path].filter((path) => path.startsWith('/v1/')),
      );
      for (const path of paths) {
        const method = path.endsWith('completions') ? 'POST' : 'GET';
        for (const headers of [{}, accessHeaders(entry, `${runner.accessKey}x`)]) {
          const refused = await fetch(runner.url + path, { method, headers, ...(method === 'POST' && { body: '{}' }) });
          expect([path, refused.status]).toEqual([path, 401]);
        }
      }
    },
  },
  {
    name: 'Access key: without one in its environment it does not start',
    async run({ start }) {
      await expect(start('')).rejects.toThrow();
    },
  },
  {
    name: 'Chat: a whole answer is a chat completion',
    async run({ entry, ready }) {
      const response = await ask(entry, await ready(), 'echo word-7');
      expect(response.headers.get('content-type')).toStartWith('application/json');
      const body = await response.json();
      expect(body).toMatchObject({ object: 'chat.completion', choices: [{ index: 0, finish_reason: 'stop' }] });
      expect(body.choices[0].message).toMatchObject({ role: 'assistant', content: expect.stringContaining('word-7') });
    },
  },
  {
    name: 'Chat: a stream has its role first, then text, then a finish reason, and [DONE] last',
    async run({ entry, ready }) {
      const response = await ask(entry, await ready(), 'echo word-8', { stream: true });
      expect(response.headers.get('content-type')).toStartWith('text/event-stream');
      const events = await Array.fromAsync(eventsOf(response));
      expect(events.pop()).toBe('[DONE]');
      const choices = events.flatMap((event) => JSON.parse(event).choices ?? []);
      if (!entry.stream_lacks_role) expect(choices[0]?.delta.role).toBe('assistant');
      expect(choices.map(({ delta }) => delta.content ?? '').join('')).toContain('word-8');
      const finish = choices.map(({ finish_reason }) => finish_reason ?? null);
      expect(finish.at(-1)).toBe('stop');
      expect(new Set(finish.slice(0, -1))).toEqual(new Set([null]));
    },
  },
  {
    name: 'Chat: a body that makes no sense is refused with an error object',
    async run({ entry, ready }) {
      const runner = await ready();
      const headers = { ...accessHeaders(entry, runner.accessKey), 'content-type': 'application/json' };
      for (const body of ['{', '[]', '{"messages": []}']) {
        const refused = await fetch(`${runner.url}/v1/chat/completions`, { method: 'POST', headers, body });
        const isRefusal = refused.status >= 400 && refused.status < 500;
        expect([body, refused.status, isRefusal]).toEqual([body, refused.status, true]);
        expect(await refused.json()).toMatchObject({ error: { message: expect.any(String) } });
      }
    },
  },
  {
    name: 'Chat: turns of several conversations at once do not mix',
    async run({ entry, ready }) {
      const runner = await ready();
      const asked = Array.from({ length: 6 }, (_, index) => `word-${100 + index}`);
      const answers = await Promise.all(asked.map(async (word) => textOf(await ask(entry, runner, `echo ${word}`))));
      for (const [index, word] of asked.entries()) {
        expect(answers[index]).toContain(word);
        expect(asked.filter((other) => other !== word && answers[index]?.includes(other))).toEqual([]);
      }
    },
  },
  {
    name: 'History: a conversation knows what was said in it, and no other does',
    needs: (entry) => (hasSessions(entry) ? undefined : 'it is told the whole conversation each time'),
    async run({ entry, ready }) {
      const runner = await ready();
      await textOf(await ask(entry, runner, 'My cat is grey', { session: 'aaaaaaaaaaaaaaaaaaaaaaaa' }));
      const again = await ask(entry, runner, 'What did I just say?', { session: 'aaaaaaaaaaaaaaaaaaaaaaaa' });
      expect(await textOf(again)).toContain('My cat is grey');
      const other = await ask(entry, runner, 'What did I just say?', { session: 'bbbbbbbbbbbbbbbbbbbbbbbb' });
      expect(await textOf(other)).not.toContain('My cat is grey');
    },
  },
  {
    name: 'Leave: when the client closes the connection, the work for it stops within a second',
    needs: asksModel,
    async run({ entry, model, ready }) {
      const leaving = new AbortController();
      const response = await ask(entry, await ready(), 'slow', { stream: true, signal: leaving.signal });
      // No `for await`: leaving that loop closes the connection.
      const events = eventsOf(response);
      for (let event = await events.next(); !event.done; event = await events.next()) {
        if (JSON.parse(event.value).choices?.[0]?.delta.content) break;
      }
      expect(model.open()).toBe(1);
      leaving.abort();
      for (let tick = 0; tick < TICKS && model.open() > 0; tick++) await Bun.sleep(TICK_MS);
      expect(model.open()).toBe(0);
    },
  },
  {
    name: 'Leave: SIGTERM ends it, also in the middle of an answer',
    async run({ entry, start }) {
      await using runner = await start();
      await statusesUntilReady(entry, runner);
      if (!runner.terminate)
        throw new Error('"terminate" is missing: say in "exceptions" why this runner cannot be told to end');
      const response = await ask(entry, runner, 'slow', { stream: true });
      expect(await runner.terminate()).toBe(0);
      await response.text().catch(() => undefined);
    },
  },
  {
    name: 'Connections: the next request may come over the same one, unless the answer said that it closes',
    async run({ entry, ready }) {
      const runner = await ready();
      const { hostname, port, host } = new URL(runner.url);
      const request = `GET ${pathsOf(entry).health_path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
      const socket = connect(Number(port), hostname);
      let read = '';
      let hasEnded = false;
      socket.on('data', (bytes) => {
        read += bytes;
      });
      socket.on('close', () => {
        hasEnded = true;
      });
      const answers = () => read.split('HTTP/1.1 200').length - 1;
      socket.write(request);
      await until('the first answer', () => answers() === 1 && read.includes('\r\n\r\n'));
      const saysClose = /\r\nconnection: close\r\n/i.test(read);
      if (!saysClose) {
        socket.write(request);
        await until('the second answer, over the same connection', () => answers() === 2 || hasEnded);
        expect(answers()).toBe(2);
      }
      socket.destroy();
    },
  },
];

/** Returns the statuses with which the ready path answered before its first 200. 0: the request failed. */
export async function statusesUntilReady(entry: Entry, { url, accessKey }: Asked): Promise<readonly number[]> {
  const seen: number[] = [];
  await until('the agent is ready', async () => {
    const headers = accessHeaders(entry, accessKey);
    const status = await fetch(url + pathsOf(entry).ready_path, { headers }).then(
      (response) => response.status,
      () => 0,
    );
    seen.push(status);
    return status === 200;
  });
  return seen.slice(0, -1);
}

async function until(name: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + CONDITION_MS;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${CONDITION_MS} ms in vain for ${name}`);
    await Bun.sleep(TICK_MS);
  }
}
