/** What a page and an API answer cost on the database of a large installation. */

import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeBigDatabase, SIZES } from '../../../scripts/big-database';
import { emailOf, PASSWORD, secretOf } from '../../../scripts/big-database/people';
import { insertGoneRunners } from '../../../scripts/big-database/runners';
import { freePort } from '../../support/ports';
import { cpuMs, rssMb, type Server } from '../processes';
import type { Results } from '../results';
import { ADMIN, routerServer } from '../router';
import { plain, type Scenario } from '../scenario';
import { MODEL } from '../script';
import { ROUTER } from '../subjects';

export const DATA = 'data';
export const DATA_START = 'data, start';
const DATA_ROOT = 'tmp/big-database';
/** Of an answer that goes on, this much is read. */
const FIRST_BYTES = 1;
const TIMES = 9;
const RUNNERS = 50;
const IDLE_MS = 2_000;

interface Asked {
  readonly who: 'the user with most' | 'the administrator';
  readonly path: string;
  /** What stands for the path in the table, where that has an id in it. */
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const data: Scenario = {
  name: 'data',
  tables: [
    {
      name: DATA_START,
      title: 'Start-up on a large database',
      note: `On the database of the next table, with ${SIZES.users + SIZES.idleUsers} users in all and ${RUNNERS} runners to take back. The first page is /usage of the user with most, asked for at once; idle memory is that ${IDLE_MS / 1_000} s after it.`,
      columns: [
        plain('start ms', 'startMs', 0),
        plain('start, CPU ms', 'startCpuMs', 0),
        plain('first page ms', 'pageMs', 0),
        plain('idle RSS MB', 'idleMb', 0),
      ],
    },
    {
      name: DATA,
      title: 'Pages and answers on a large database',
      load: 'who',
      note: `CPU of the router for one answer, with ${SIZES.users.toLocaleString('en')} users, ${SIZES.conversations.toLocaleString('en')} conversations, ${SIZES.messages.toLocaleString('en')} messages and ${SIZES.usage.toLocaleString('en')} calls, of which one user has a tenth. Of a download and a stream it is that until its first byte. The first answer is left to itself: it has to read from the disk and to compile.`,
      columns: [plain('first, CPU ms', 'firstMs', 1), plain('then, CPU ms', 'cpuMs', 1)],
    },
  ],
  async run({ options, results, say }) {
    if (options.isQuick && options.only.length === 0) return;
    const dataRoot = options.dataRoot ?? DATA_ROOT;
    if (!existsSync(join(dataRoot, 'router.db'))) {
      await makeBigDatabase(dataRoot, { ...SIZES, backends: [MODEL] }, (text) => say(`large database: ${text}`));
    }
    await using server = await routerServer(dataRoot, freePort());
    await server.start();
    await measureStart({ server, dataRoot, rounds: options.rounds, results });
    for (const { who, path, name, headers } of await everything(server, dataRoot)) {
      const place = { table: DATA, load: who, subject: name };
      for (let time = 0; time <= TIMES; time += 1) {
        const beforeMs = cpuMs(server.pid);
        await readFrom(`${server.url}${path}`, headers);
        const ms = cpuMs(server.pid) - beforeMs;
        results.add(place, time === 0 ? { firstMs: ms } : { cpuMs: ms });
      }
    }
  },
};

/** Starts it again and again, each time with runners to take back, and asks for a page at once. */
async function measureStart(of: { server: Server; dataRoot: string; rounds: number; results: Results }): Promise<void> {
  const { server, dataRoot, rounds, results } = of;
  const cookie = await signIn(server, { email: emailOf(0), password: PASSWORD });
  for (let round = 0; round < rounds; round += 1) {
    await server.stop();
    {
      using database = new Database(join(dataRoot, 'router.db'));
      insertGoneRunners(database, RUNNERS);
    }
    const startMs = await server.start();
    const startCpuMs = cpuMs(server.pid);
    const askedMs = performance.now();
    await readFrom(`${server.url}/usage`, { cookie });
    const pageMs = performance.now() - askedMs;
    await Bun.sleep(IDLE_MS);
    const sample = { startMs, startCpuMs, pageMs, idleMb: rssMb(server.pid) };
    results.add({ table: DATA_START, load: '', subject: ROUTER }, sample);
  }
}

/** Reads the whole answer, or its beginning where it goes on. Rejects when it is refused. */
async function readFrom(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const gone = new AbortController();
  const response = await fetch(url, { headers, redirect: 'manual', signal: gone.signal });
  if (response.status >= 400) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  const goesOn = /event-stream|csv/.test(response.headers.get('content-type') ?? '');
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (goesOn && bytes >= FIRST_BYTES) break;
  }
  if (goesOn) gone.abort();
}

/** Every page and every address of the API that can be read. */
async function everything(server: Server, dataRoot: string): Promise<readonly Asked[]> {
  const ids = idsIn(dataRoot);
  const people = [
    { who: 'the user with most', headers: { cookie: await signIn(server, { email: emailOf(0), password: PASSWORD }) } },
    { who: 'the administrator', headers: { cookie: await signIn(server, ADMIN) } },
  ] as const;
  const day = (back: number) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  const year = `from=${day(365)}&to=${day(0)}`;
  const reports = (path: string, groups: readonly string[]) => [
    ...groups.flatMap((group) => [`${path}?group=${group}`, `${path}?group=${group}&${year}`]),
    `${path}?format=csv`,
    `${path}?format=csv&${year}`,
  ];
  const ofEverybody = [
    ...['/', '/settings', '/usage', `/usage?${year}`, '/auth/me'],
    ...['/live', '/api/backends', '/api/runners', `/api/runners/${MODEL}/progress`],
    ...['/api/me/keys', '/api/me/budgets', '/api/me/env-overrides', '/healthz', '/docs', '/openapi.json'],
    ...['/agents', '/conversations', '/search?q=router', '/api/me', '/api/me/sessions'],
    ...['/api/agents', '/api/conversations', '/api/schedules'],
    ...reports('/api/me/usage', ['day', 'model', 'backend', 'agent', 'key']),
  ];
  const ofUser = [
    ...[`/agents/${ids.agent}`, `/conversations/${ids.long}`, `/conversations/${ids.long}?before=1000`],
    ...[
      `/conversations/${ids.usual}`,
      await liveOf(server, people[0].headers, ids.long),
      `/messages/${ids.answer}/text`,
    ],
    ...['settings', 'schedules', 'runner', 'files'].map((part) => `/agents/${ids.agent}/${part}`),
    ...['settings', 'schedules', 'runner', 'files'].map((part) => `/api/agents/${ids.agent}/${part}`),
    ...['', '/export?format=markdown'].map((part) => `/api/conversations/${ids.usual}${part}`),
    `/api/conversations/${ids.long}`,
  ];
  const ofAdmin = [
    ...['/admin', '/admin/usage', `/admin/usage?${year}`, '/admin/prices', '/admin/budgets', '/admin/keys'],
    ...['/api/admin/keys', '/api/admin/budgets', '/api/admin/prices', '/api/admin/shared-models'],
    ...['/admin/overview', '/admin/users', `/admin/users?search=user-99`, `/admin/users/${ids.user}`],
    ...['/admin/invitations', '/admin/limits', '/admin/backends', '/admin/runners', '/admin/start', '/admin/audit'],
    ...['/api/admin/overview', '/api/admin/users', `/api/admin/users/${ids.user}`, '/api/admin/invitations'],
    ...['/api/admin/limits', '/api/admin/runners', '/api/admin/backends', '/api/admin/audit', '/api/admin/shared-env'],
    `/api/admin/audit?person=${emailOf(0)}`,
    ...reports('/api/admin/usage', ['day', 'model', 'backend', 'agent', 'key', 'user']),
  ];
  const ofKey = ['/v1/models', `/v1/responses/resp_${ids.answer}`, `/v1/responses/resp_${ids.answer}/input_items`];
  const [user, admin] = people;
  const named = (path: string) =>
    path
      .replace(year, 'a year')
      .replace(/&after=.*/, '')
      .replaceAll(/[0-9a-f]{24}/g, (id) => (id === ids.long ? ':long' : ':id'));
  const asked = (one: (typeof people)[number], paths: readonly string[]) =>
    paths.map((path) => ({ ...one, path, name: named(path) }));
  const authorization = `Bearer ${secretOf(0, 0)}`;
  return [
    ...asked(user, [...ofEverybody, ...ofUser]),
    ...ofKey.map((path) => ({ who: user.who, headers: { authorization }, path, name: named(path) })),
    ...asked(admin, [...ofEverybody, ...ofAdmin]),
  ];
}

/** The live stream of a conversation's page, which says what the page has. */
async function liveOf(server: Server, headers: Readonly<Record<string, string>>, id: string): Promise<string> {
  const page = await (await fetch(`${server.url}/conversations/${id}`, { headers })).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1];
  if (url === undefined) throw new Error('The page of a conversation has no live stream.');
  return url.replaceAll('&amp;', '&');
}

/** Ids of the user with most: an agent, the longest and a usual conversation, and one of its answers. */
function idsIn(dataRoot: string) {
  using database = new Database(join(dataRoot, 'router.db'), { readonly: true });
  const find = (statement: string) => database.query<{ id: string }, [string]>(statement).get(emailOf(0))?.id ?? '';
  const own = `FROM conversations WHERE agent_id =
    (SELECT id FROM agents WHERE backend = '${MODEL}' AND user_id = (SELECT id FROM users WHERE email = ?))`;
  return {
    user: find('SELECT id FROM users WHERE email = ?'),
    agent: find(`SELECT agent_id AS id ${own} LIMIT 1`),
    long: find(`SELECT id ${own} ORDER BY last_position DESC LIMIT 1`),
    usual: find(`SELECT id ${own} ORDER BY updated_at_ms DESC LIMIT 1`),
    answer: find(
      `SELECT id FROM messages WHERE role = 'assistant' AND position >= 10
       AND conversation_id = (SELECT id ${own} ORDER BY last_position DESC LIMIT 1) ORDER BY position LIMIT 1`,
    ),
  };
}

async function signIn(server: Server, who: { readonly email: string; readonly password: string }): Promise<string> {
  const response = await fetch(`${server.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(who),
  });
  if (!response.ok) throw new Error(`${who.email} could not sign in: ${await response.text()}`);
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}
