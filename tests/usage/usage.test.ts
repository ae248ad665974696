import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { usageRow } from '../support/usage';
import { all } from '../views/dom';

const NOW_MS = Date.UTC(2026, 10, 22, 15);
const at = (day: number, hour = 12) => Date.UTC(2026, 10, day, hour);

let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;
let agentId: string;
let keyId: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', { display_name: 'Echo' })], now: () => NOW_MS });
  [admin, alice, bob] = [
    await router.person(ADMIN),
    await router.person(PEOPLE.alice),
    await router.person(PEOPLE.bob),
  ];
  await alice.request('/');
  agentId = (await router.context.agents.list(alice.id))[0]?.id ?? '';
  await alice.createKey('Laptop');
  keyId = (await router.context.keys.list(alice.id))[0]?.id ?? '';
  const mine = { userId: alice.id, agentId };
  await router.context.stores.usage.insert([
    usageRow({ ...mine, atMs: at(20, 0), keyId, cost: 0.1, cachedTokens: 40, reasoningTokens: 4 }),
    usageRow({ ...mine, atMs: at(20, 23), cost: 0.2 }),
    usageRow({ ...mine, atMs: at(22), model: 'glm-5.2', promptTokens: 7, completionTokens: 3, estimated: true }),
    usageRow({ userId: alice.id, atMs: Date.UTC(2026, 9, 1) }),
    usageRow({ userId: bob.id, atMs: at(21), model: '=cmd|"x"', backend: 'gone', promptTokens: 1_000_000 }),
    usageRow({ userId: 'gone-user', atMs: at(21), model: 'gpt-5.5' }),
  ]);
});
afterAll(() => router[Symbol.asyncDispose]());

interface Report {
  readonly from: string;
  readonly to: string;
  readonly totals: Record<string, number>;
  readonly groups: readonly ({ key: string; name: string | null } & Record<string, unknown>)[];
}
const report = async (person: Person, path: string) => (await (await person.request(path)).json()) as Report;
const names = ({ groups }: Report) => groups.map(({ key, name, calls }) => [key, name, calls]);

describe('GET /api/me/usage', () => {
  test('sums the last 30 days of the caller, and nothing of others', async () => {
    const { from, to, totals, groups } = await report(alice, '/api/me/usage');
    expect([from, to]).toEqual(['2026-10-24', '2026-11-22']);
    expect(totals).toEqual({
      calls: 3,
      prompt_tokens: 207,
      completion_tokens: 23,
      cached_tokens: 40,
      reasoning_tokens: 4,
      total_tokens: 230,
      cost: 0.3,
      estimated_calls: 1,
    });
    expect(groups.map(({ key, total_tokens }) => [key, total_tokens])).toEqual([
      ['2026-11-20', 220],
      ['2026-11-22', 10],
    ]);
  });

  test('a range has its first and its last day in it, from midnight to midnight UTC', async () => {
    const calls = async (from: string, to: string) =>
      (await report(alice, `/api/me/usage?from=${from}&to=${to}`)).totals.calls;
    expect(await calls('2026-11-20', '2026-11-20')).toBe(2);
    expect(await calls('2026-11-21', '2026-11-22')).toBe(1);
    expect(await calls('2026-10-01', '2026-11-22')).toBe(4);
    expect(await calls('2026-11-23', '2026-11-30')).toBe(0);
  });

  test('groups have names where there still are any', async () => {
    const by = async (group: string) => names(await report(alice, `/api/me/usage?from=2026-10-01&group=${group}`));
    expect(await by('model')).toEqual([
      ['gpt-5.5', 'gpt-5.5', 3],
      ['glm-5.2', 'glm-5.2', 1],
    ]);
    expect(await by('agent')).toEqual([
      [agentId, 'Echo', 3],
      ['gone-agent', null, 1],
    ]);
    expect(await by('backend')).toEqual([['echo', 'Echo', 4]]);
    expect(await by('key')).toEqual([
      ['', null, 3],
      [keyId, 'Laptop', 1],
    ]);
  });

  test('calls of a moment ago are included', async () => {
    const { metering } = router.context;
    const tokens = { prompt: 5, completion: 6, cached: 0, reasoning: 0 };
    const call = { path: 'chat/completions', model: 'm', source: 'global', status: 200, ending: 'done' } as const;
    metering.record({ ...call, userId: 'carol', agentId: 'a', backend: 'echo', totalMs: 1, tokens, estimated: false });
    const users = await report(admin, '/api/admin/usage?group=user&from=2026-11-22');
    expect(users.groups.find(({ key }) => key === 'carol')?.total_tokens).toBe(11);
  });

  test.each([
    ['from=yesterday', '"from": expected a day such as 2026-11-22.'],
    ['from=2026-02-30', '"from": expected a day such as 2026-11-22.'],
    ['to=22.11.2026', '"to": expected a day such as 2026-11-22.'],
    ['from=2026-11-22&to=2026-11-21', '"from": expected a day that is not after "to", which is 2026-11-21.'],
    ['from=2020-01-01', '"from": expected at most 366 days up to "to".'],
    ['group=week', '"group": expected one of day, model, backend, agent, key.'],
    ['group=user', '"group": expected one of day, model, backend, agent, key.'],
    ['format=xml', '"format": expected "json" or "csv".'],
  ])('refuses %s and says what is expected', async (query, detail) => {
    const response = await alice.request(`/api/me/usage?${query}`);
    expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([400, detail]);
  });
});

describe('GET /api/admin/usage', () => {
  test('tells the administrator of everybody, also of those who are gone', async () => {
    const users = names(await report(admin, '/api/admin/usage?group=user&to=2026-11-21'));
    expect(users).toEqual([
      [bob.id, PEOPLE.bob.email, 1],
      [alice.id, PEOPLE.alice.email, 2],
      ['gone-user', null, 1],
    ]);
  });

  test('nobody else gets it, in any form', async () => {
    for (const path of ['/api/admin/usage', '/api/admin/usage?format=csv', '/admin/usage', '/admin']) {
      const refused = await alice.request(path);
      expect([path, refused.status, (await refused.text()).includes(PEOPLE.bob.email)]).toEqual([path, 403, false]);
    }
  });
});

describe('CSV', () => {
  const csv = async (person: Person, path: string, headers = {}) => {
    const response = await person.request(path, { headers });
    expect(response.headers.get('content-type')).toStartWith('text/csv');
    return { response, lines: (await response.text()).split('\r\n') };
  };

  test('has a header and a line for each call, oldest first, and is a file of its own', async () => {
    const { response, lines } = await csv(alice, '/api/me/usage?format=csv');
    expect(response.headers.get('content-disposition')).toBe(
      'attachment; filename="usage-2026-10-24-to-2026-11-22.csv"',
    );
    expect(lines).toEqual([
      'time,user,agent,backend,model,path,key,conversation,credentials,prompt_tokens,completion_tokens,' +
        'cached_tokens,reasoning_tokens,total_tokens,estimated,cost,status,ending,first_byte_ms,total_ms',
      '2026-11-20T00:00:00.000Z,alice@example.org,Echo,echo,gpt-5.5,chat/completions,Laptop,,global,100,10,40,4,110,false,0.1,200,done,12,345',
      '2026-11-20T23:00:00.000Z,alice@example.org,Echo,echo,gpt-5.5,chat/completions,,,global,100,10,0,0,110,false,0.2,200,done,12,345',
      '2026-11-22T12:00:00.000Z,alice@example.org,Echo,echo,glm-5.2,chat/completions,,,global,7,3,0,0,10,true,,200,done,12,345',
      '',
    ]);
  });

  test('no cell is a formula, and quotes stay within theirs', async () => {
    const { lines } = await csv(admin, '/api/admin/usage?from=2026-11-21&to=2026-11-21', { accept: 'text/csv' });
    expect(lines[1]).toContain(`,"'=cmd|""x""",`);
  });

  test('many calls arrive complete over the wire, whatever their names contain', async () => {
    const calls = 1_203;
    const rows = Array.from({ length: calls }, (_, index) =>
      usageRow({ userId: bob.id, atMs: at(2) + index, model: `模型-🎉-${index}` }),
    );
    await router.context.stores.usage.insert(rows);
    const response = await fetch(`${router.url}/api/me/usage?format=csv&from=2026-11-02&to=2026-11-02`, {
      headers: { cookie: bob.cookie },
    });
    const lines = (await response.text()).split('\r\n').slice(1, -1);
    expect(lines.map((line) => line.split(',')[4])).toEqual(rows.map(({ model }) => model));
  });
});

test('law 20: who signs out gets no more of a download', async () => {
  const session = await router.person(PEOPLE.alice);
  const { body } = await session.request('/api/me/usage?format=csv');
  const reader = body?.getReader();
  expect((await reader?.read())?.done).toBe(false);
  const { size } = router.context.streams;
  await session.request('/sign-out', { method: 'POST' });
  await expect(reader?.read()).rejects.toThrow('revoked');
  expect(router.context.streams.size).toBe(size - 1);
});

describe('the pages', () => {
  const page = async (person: Person, path: string) => {
    const response = await person.request(path, { headers: { accept: 'text/html' } });
    return { status: response.status, html: await response.text() };
  };

  test('/usage shows totals, a bar for each day, and the numbers by model and agent', async () => {
    const { status, html } = await page(alice, '/usage');
    expect(status).toBe(200);
    expect((await all(html, '#totals .figure-value')).map(({ text }) => text)).toEqual(['230', '3', '40', '0.30']);
    expect(await all(html, '.chart .bar')).toHaveLength(30);
    const rows = await all(html, '#by-model tbody th');
    expect(rows.map(({ text }) => text)).toEqual(['gpt-5.5', 'glm-5.2']);
    expect((await all(html, '#by-agent tbody th')).map(({ text }) => text)).toEqual(['Echo']);
    expect((await all(html, '#by-key tbody th')).map(({ text }) => text)).toEqual(['Without a key', 'Laptop']);
    expect(html).not.toContain(PEOPLE.bob.email);
  });

  test('the days are chosen by a URL, and invalid days have an error beside their field', async () => {
    const chosen = await page(alice, '/usage?from=2026-11-20&to=2026-11-20');
    expect(await all(chosen.html, '.chart .bar')).toHaveLength(1);
    const refused = await page(alice, '/usage?from=nope&to=2026-11-20');
    expect(refused.status).toBe(400);
    expect((await all(refused.html, '#from-error'))[0]?.text).toBe('Expected a day such as 2026-11-22');
    expect((await all(refused.html, '#to'))[0]?.attributes.value).toBe('2026-11-20');
  });

  test('up to 92 days have a bar each; more days are put together in weeks from Monday, with the same figures', async () => {
    const days = await page(alice, '/usage?from=2026-08-23&to=2026-11-22');
    expect(await all(days.html, '.chart .bar')).toHaveLength(92);
    const weeks = await page(alice, '/usage?from=2026-08-22&to=2026-11-22');
    expect((await all(weeks.html, '#by-time h2')).map(({ text }) => text)).toEqual(['By week']);
    // A Saturday and a Sunday before the first Monday.
    expect(await all(weeks.html, '.chart .bar')).toHaveLength(14);
    const cells = (html: string) => all(html, '#by-time tbody th, #by-time tbody td');
    expect((await cells(weeks.html)).map(({ text }) => text)).toEqual([
      ...['Sep 28', '1', '100', '10', '0.00'],
      ...['Nov 16', '3', '207', '23', '0.30'],
    ]);
    expect((await cells(days.html)).map(({ text }) => text)).toEqual([
      ...['Oct 1', '1', '100', '10', '0.00'],
      ...['Nov 20', '2', '200', '20', '0.30'],
      ...['Nov 22', '1', '7', '3', '0.00'],
    ]);
  });

  test('days without any use say so', async () => {
    const { html } = await page(alice, '/usage?from=2026-12-01&to=2026-12-02');
    expect((await all(html, '#report h2'))[0]?.text).toBe('No usage in these days.');
    expect(await all(html, '.chart')).toEqual([]);
  });

  test('/admin/usage begins with users; only the administrator is shown the way there', async () => {
    const { html } = await page(admin, '/admin/usage?from=2026-11-20&to=2026-11-21');
    expect((await all(html, '.card h2')).map(({ text }) => text)).toEqual([
      ...['By day', 'By user', 'By model', 'By kind of agent'],
    ]);
    expect((await all(html, '#by-user tbody th')).map(({ text }) => text)).toEqual([
      ...[PEOPLE.bob.email, PEOPLE.alice.email, 'A deleted user'],
    ]);
    const links = async (person: Person) =>
      (await all((await page(person, '/usage')).html, 'a[href^="/admin"]')).length;
    expect([await links(admin), await links(alice)]).toEqual([1, 0]);
  });
});
