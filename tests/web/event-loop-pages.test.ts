/** Nobody waits for what is sent to pages, nor for a page that shows what somebody else has written. */
import { Database as Sqlite } from 'bun:sqlite';
import { expect } from 'bun:test';
import { join } from 'node:path';
import { alice, answers, DONE, delta, MB, nobodyWaits, router, STORED, useRouterProcess } from '../support/event-loop';

useRouterProcess();

/** Sends a form as a browser does. */
async function form(path: string, body: RequestInit['body']): Promise<number> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await fetch(router.url + path, { method: 'POST', headers, body: body ?? null, redirect: 'manual' });
  await response.bytes().catch(() => undefined);
  return response.status;
}

/** Looks at a conversation in which an agent has said 30,000 things unasked, beside an answer that was asked for twice. */
async function viewOfNotices(): Promise<number> {
  expect(await answers(delta('"content":"first"') + DONE, STORED)).toBe(200);
  const page = await (await alice.request('/', { redirect: 'follow' })).text();
  const [path = '', id = ''] = /href="\/conversations\/(\w+)"/.exec(page) ?? [];
  expect(path).not.toBe('');
  using database = new Sqlite(join(router.dataRoot, 'router.db'));
  database.run('PRAGMA busy_timeout = 5000');
  const insert = database.query(
    `INSERT INTO messages (id, conversation_id, position, role, content, status, created_at_ms, callback_id, parent)
      VALUES (?, ?, ?, 'notice', 'a step', 'done', 1, ?, ?)`,
  );
  database.transaction(() => {
    for (let at = 3; at < 30_003; at += 1) insert.run(`${id}${at}`, id, at, `${id}${at}`, at === 3 ? 1 : null);
    database.query('UPDATE conversations SET last_position = 30002 WHERE id = ?').run(id);
  })();
  return view(`/conversations/${id}`);
}

/** In chunks, so that nobody knows the length before it has come. */
function chunked(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(65_536).fill(97));
      left -= 65_536;
      if (left <= 0) controller.close();
    },
  });
}

async function view(path: string): Promise<number> {
  const response = await alice.request(path, { headers: { accept: 'text/html', 'accept-encoding': 'gzip' } });
  await response.bytes();
  return response.status;
}

/** Looks at the conversation of an answer of this text. */
async function viewOf(text: string): Promise<number> {
  expect(await answers(delta(`"content":${JSON.stringify(text)}`) + DONE, STORED)).toBe(200);
  const page = await (await alice.request('/', { redirect: 'follow' })).text();
  const path = /href="(\/conversations\/[^"?]+)"/.exec(page)?.[1] ?? '';
  expect(await (await alice.request(path, { headers: { accept: 'text/html' } })).text()).toContain(text.slice(20, 29));
  return view(path);
}

/** Opens pages that never read what they are sent. */
async function idlePages(count: number): Promise<AsyncDisposable> {
  const controller = new AbortController();
  await Promise.all(
    Array.from({ length: count }, () =>
      fetch(`${router.url}/live`, { headers: { cookie: alice.cookie }, signal: controller.signal }),
    ),
  );
  return {
    async [Symbol.asyncDispose]() {
      controller.abort();
    },
  };
}

nobodyWaits({
  'an e-mail of 900 KB of ligatures': [422, () => form('/auth/login', `password=x&email=${'\ufdfa'.repeat(300_000)}`)],
  'an e-mail of 20 MB': [413, () => form('/auth/login', `password=x&email=${'a'.repeat(20 * MB)}`)],
  'a password of 1 MB of escapes': [422, () => form('/auth/login', `email=a@b.c&password=${'%e2%82'.repeat(150_000)}`)],
  'a form of 60 MB in chunks': [413, () => form('/auth/login', chunked(60 * MB))],
  '1,000 queries of an asset': [
    200,
    async () => {
      const all = Array.from({ length: 1_000 }, (_, n) => view(`/assets/htmx.js?v=${n}${'x'.repeat(4_000)}`));
      return Math.max(...(await Promise.all(all)));
    },
  ],
  'a page with code that takes seconds to colour': [200, () => viewOf(`\`\`\`csharp\n${'a `'.repeat(10_200)}\n\`\`\``)],
  'a page with 400 KB of links': [200, () => viewOf('http://a.b/ '.repeat(33_000))],
  'a page of a conversation with 30,000 notices and an answer in two variants': [200, viewOfNotices],
  'a page with an answer of 8 MB': [200, () => viewOf('a '.repeat(4 * MB))],
  'a recorded answer of 8 MB with five pages that do not read': [
    200,
    async () => {
      await using _ = await idlePages(5);
      return await answers(delta(`"content":"${'a'.repeat(8 * MB)}"`) + DONE, STORED);
    },
  ],
});
