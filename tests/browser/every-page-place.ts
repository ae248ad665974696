/** What the pages of every-page.ts show: an installation in which everything is there, with long names. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../router/database/database';
import { usageStore } from '../../router/usage/store/calls';
import { messageForm, png } from '../support/files';
import type { Browser, RouterProcess } from '../support/process';
import { form, PEOPLE, until } from '../support/router';
import type { Starts } from '../support/starts';
import { usageRow } from '../support/usage';
import type { Visitor } from './every-page';

const DAY_MS = 86_400_000;
export const CALLS_PER_DAY = 12;
const LONG = 'a.name.that.is.longer.than.a.phone.is.wide@engines-of-the-north.example';
/** Each shows another kind of answer. */
const SAID = [
  'tools',
  'tools 6',
  'length',
  'think',
  'markdown',
  'math',
  'table 3',
  'code 3',
  'list 3',
  'footnotes',
  'image',
  'unicode',
];

interface Link {
  readonly url: string;
}

export interface Place {
  /** Signed in. */
  readonly people: Readonly<Record<Exclude<Visitor, 'out'>, Browser>>;
  /** Ids of agents of Alice. */
  readonly demo: string;
  readonly direct: string;
  readonly unavailable: string;
  /** Id of Alice. */
  readonly user: string;
  /** Ids of conversations and of a message of hers. */
  readonly everything: string;
  readonly archived: string;
  readonly message: string;
  /** Paths of links that are sent to people. */
  readonly invitation: string;
  readonly reset: string;
  /** The page of a new conversation that begins with a message. */
  begin(text: string): Promise<string>;
  /** The same, while the runner starts, until it may wake up. */
  beginAsleep(text: string): Promise<string>;
  wake(): Promise<void>;
}

/** Thirty days of calls of a user, written directly into the router's database. */
export async function useForThirtyDays({ dataRoot }: RouterProcess, userId: string): Promise<void> {
  const models = ['gpt-5.5', 'an-organisation/a-model-with-a-name-that-is-longer-than-a-phone-is-wide', 'glm-5.2'];
  const rows = Array.from({ length: 30 * CALLS_PER_DAY }, (_, index) => {
    const tokens = { promptTokens: 900 + 37 * index, completionTokens: 80 + index, cachedTokens: 500 };
    const atMs = Date.now() - Math.floor(index / CALLS_PER_DAY) * DAY_MS;
    return usageRow({ userId, atMs, model: models[index % models.length] ?? '', ...tokens, cost: 0.01 });
  });
  const database = openDatabase(join(dataRoot, 'router.db'));
  await usageStore(database.db).insert(rows);
  database.close();
}

export async function idOf(account: Browser): Promise<string> {
  return ((await (await account.request('/auth/me')).json()) as { user: { id: string } }).user.id;
}

export async function furnish(router: RouterProcess, starts: Starts): Promise<Place> {
  const people = { alice: await router.signIn(PEOPLE.alice), admin: await router.signIn() };
  const { alice, admin } = people;
  const user = await idOf(alice);
  const agents = await agentsOf(alice);
  const demo = agents('demo');
  const direct = agents('direct');
  const talk = talkOf(alice, demo);
  const everything = await talk.whole('remind 1', ...SAID);
  const file = { 'a-file-with-a-name-that-is-longer-than-a-phone-is-wide.txt': 'Words', 'b.png': png(300, 200) };
  await alice.request(`/conversations/${everything}/messages`, messageForm('Look at these', file) as object);
  await talk.ended(everything);
  const { messages } = (await (await alice.request(`/api/conversations/${everything}`)).json()) as {
    messages: { id: string; role: string }[];
  };
  const archived = await talk.whole('echo Something that was archived');
  await alice.request(`/conversations/${archived}/shelf`, form({ shelf: 'archived' }));
  await setUp(alice, admin, { demo, direct, user });
  const folder = join(router.dataRoot, 'homes', demo, 'a-folder');
  await mkdir(folder);
  await writeFile(join(folder, 'notes.md'), '# Notes\n\nSome *words*.');
  await writeFile(join(folder, `${LONG}.txt`), 'Words');
  await useForThirtyDays(router, user);
  await useForThirtyDays(router, await idOf(admin));
  const link = async (path: string) => {
    const made = (await (await admin.request(path, { method: 'POST', body: {} })).json()) as Link & {
      reset_link?: Link;
    };
    return new URL((made.reset_link ?? made).url).pathname;
  };
  return {
    ...{ people, demo, direct, user, everything, archived },
    unavailable: agents('openclaw'),
    message: messages.findLast(({ role }) => role === 'user')?.id ?? '',
    invitation: await link('/api/admin/invitations'),
    reset: await link(`/api/admin/users/${user}/reset-link`),
    begin: async (text) => `/conversations/${await talk.begin(text)}`,
    async beginAsleep(text) {
      await alice.request('/api/runners/demo', { method: 'DELETE' });
      await starts.hold();
      return `/conversations/${await talk.begin(text)}`;
    },
    wake: starts.release,
  };
}

/** Finds the ids of a user's agents by their backends. */
async function agentsOf(account: Browser): Promise<(backend: string) => string> {
  await account.request('/agents');
  const { agents } = (await (await account.request('/api/agents')).json()) as {
    agents: { id: string; backend: string }[];
  };
  return (backend) => agents.find((one) => one.backend === backend)?.id ?? '';
}

function talkOf(account: Browser, agentId: string) {
  const begin = async (text: string) => {
    const response = await account.request(`/agents/${agentId}/conversations`, form({ text }));
    return response.headers.get('location')?.split('/').at(-1) ?? '';
  };
  const ended = (id: string) =>
    until(async () => {
      const response = await account.request(`/api/conversations/${id}`);
      const { messages } = (await response.json()) as { messages: { status: string }[] };
      return messages.every(({ status }) => status !== 'streaming');
    }, 'the answer has ended');
  return {
    begin,
    ended,
    /** @returns the id of a conversation in which all of it was said and answered. */
    async whole(first: string, ...more: readonly string[]): Promise<string> {
      const id = await begin(first);
      await ended(id);
      for (const text of more) {
        await account.request(`/conversations/${id}/messages`, form({ text }));
        await ended(id);
      }
      return id;
    },
  };
}

/** Files, schedules, keys, users, limits, prices and budgets. */
async function setUp(
  alice: Browser,
  admin: Browser,
  { demo, direct, user }: Pick<Place, 'demo' | 'direct' | 'user'>,
): Promise<void> {
  const put = (body: object | string) => ({ method: 'PUT', body });
  const post = (body: object) => ({ method: 'POST', body });
  const schedule = { time_zone: 'UTC', text: 'Sum up what was new this week, in five sentences' };
  const limit = { unit: 'tokens', period: 'month', soft_limit: 1_000, hard_limit: 100_000_000 };
  const requests: [Browser, string, object][] = [
    [alice, `/api/agents/${demo}/schedules`, post({ ...schedule, when: 'every weekday at 8' })],
    [alice, `/api/agents/${demo}/schedules`, post({ ...schedule, when: '0 8 1 * *', enabled: false })],
    [alice, `/api/agents/${direct}/instructions`, put({ text: 'Be brief.' })],
    [alice, '/api/me/keys', post({ name: LONG })],
    [admin, '/api/admin/users', post({ email: LONG, name: 'Ada of a Very Long Name, Countess of Lovelace' })],
    [admin, '/api/admin/invitations', post({ email: `b.${LONG}` })],
    [admin, '/api/admin/prices/gpt-5.5', put({ prompt: 1.25, completion: 10 })],
    [admin, `/api/admin/prices/${encodeURIComponent(`lab/${LONG}`)}`, put({ prompt: 1, completion: 2 })],
    [admin, `/api/admin/budgets/${user}`, put(limit)],
    [admin, '/api/admin/limits', put({ runners: 5, agents: 10 })],
  ];
  for (const [who, path, init] of requests) {
    const response = await who.request(path, init);
    if (!response.ok) throw new Error(`${path} was refused: ${response.status} ${await response.text()}`);
  }
}
