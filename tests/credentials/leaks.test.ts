/** Law 14 as a search: every route, file and runner of a router after two users and an administrator have used it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { basename } from 'node:path';
import { publicApp } from '../../router/app';
import { callUpstream, LLM, setValues as set } from '../support/broker';
import { formsOf, leaksBelow, leaksIn } from '../support/leaks';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, DONE, scriptedRunner } from '../support/scripted-runner';
import { startUpstream, type Upstream } from '../support/upstream';

const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCDEFGH';
const ALICES_KEY = 'sk-of-alice-9876543210-STUVWXYZ';
/** Typed, and refused. */
const TYPED_KEY = 'sk-that-was-typed-5555555555-MNOPQR';
const SECRETS = [ADMINS_KEY, ALICES_KEY, TYPED_KEY];

const runner = scriptedRunner('leaks');
let router: TestRouter;
let admins: Upstream;
let alices: Upstream;
/** Alice has an upstream of her own, bob uses the shared one. */
let people: Record<'admin' | 'alice' | 'bob', Person>;

beforeAll(async () => {
  const needs = { user_overridable_env: LLM, seed_subdir: 'direct-home', templated_files: ['AGENTS.md'] };
  router = await startRouter({ backends: [memoryBackend('agent', needs, runner.program)] });
  admins = startUpstream({ key: ADMINS_KEY });
  alices = startUpstream({ key: ALICES_KEY });
  people = {
    admin: await router.person(ADMIN),
    alice: await router.person(PEOPLE.alice),
    bob: await router.person(PEOPLE.bob),
  };
  runner.reply = async ({ headers }) => {
    const response = await callUpstream(runner, headers);
    const events = { headers: { 'content-type': 'text/event-stream' } };
    return response.ok ? new Response(chunk('Fine.') + DONE, events) : new Response(response.body, response);
  };
  await set(people.admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'shared' });
  for (const name of LLM) {
    const shared = await people.admin.request(`/api/admin/shared-env/${name}`, {
      method: 'PUT',
      body: { shared: true },
    });
    expect(shared.status).toBe(200);
  }
  await set(people.alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: ALICES_KEY }, 'agent');
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await admins.stop();
  await alices.stop();
});

const refusal = (key: string) => ({ status: 400, message: `The key ${key} may not do this.` });

/** A conversation with an answer and a failure that quoted the key, created on the page. */
async function converse(who: Person, upstream: Upstream, key: string) {
  const backend = router.context.backends.find('agent');
  if (!backend) throw new Error('There is no backend');
  const agent = await router.context.agents.defaultOf(who.id, backend);
  const conversation = await router.context.conversations.create(agent);
  const say = async () => {
    const { id } = await router.context.generations.start(conversation, 'Hello?');
    return until(async () => {
      const message = await router.context.stores.conversations.findMessage(id);
      return message?.status !== 'streaming' && message;
    }, 'the answer has ended');
  };
  expect((await say()).status).toBe('done');
  upstream.script(refusal(key));
  const failed = await say();
  expect(failed).toMatchObject({
    status: 'failed',
    failure: { message: 'The key [key] may not do this.' },
  });
  return { agentId: agent.id, conversationId: conversation.id, messageId: failed.id };
}

/** The text of an answer; for an endless stream, its first piece. */
async function textOf(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.text();
  const reader = response.body?.getReader();
  const piece = await reader?.read();
  await reader?.cancel();
  return Buffer.from(piece?.value ?? new Uint8Array()).toString();
}

test('the search finds a secret in every form, wherever it stands', () => {
  for (const around of ['', 'a', 'ab', 'abc']) {
    const text = `${around}${ALICES_KEY}${around}`;
    const written = [text, btoa(text), Buffer.from(text).toString('hex'), Buffer.from(text).toString('base64url')];
    for (const one of written) expect([around, leaksIn('', one, SECRETS).length > 0]).toEqual([around, true]);
  }
  expect(leaksIn('', `${ALICES_KEY.slice(0, -1)} ${btoa(ALICES_KEY.slice(0, -4))}`, SECRETS)).toEqual([]);
  expect(formsOf(ALICES_KEY).every((form) => form.length >= ALICES_KEY.length)).toBe(true);
});

test('law 14: no route answers with an upstream key, in any form, to anybody', async () => {
  const places = {
    admin: await converse(people.admin, admins, ADMINS_KEY),
    alice: await converse(people.alice, alices, ALICES_KEY),
    bob: await converse(people.bob, admins, ADMINS_KEY),
  };
  const app = await publicApp(router.context, { jwtSecret: 'for the list of routes only' } as never);
  const paths = [...new Set(app.routes.filter(({ method }) => method === 'GET').map(({ path }) => path))];
  const leaks: string[] = [];
  const seen = new Set<string>();
  for (const name of ['admin', 'alice', 'bob'] as const) {
    const { agentId, conversationId, messageId } = places[name];
    for (const path of paths.filter((one) => !one.startsWith('/assets/'))) {
      const ids = { agents: agentId, conversations: conversationId, messages: messageId, runners: 'agent' };
      const place = path.replace(/\/(\w+)\/:\w+/, (whole, noun: string) =>
        noun in ids ? `/${noun}/${ids[noun as keyof typeof ids]}` : whole,
      );
      for (const accept of ['text/html', 'application/json']) {
        const answer = await people[name].request(place, { headers: { accept } });
        const text = await textOf(answer);
        if (answer.ok) seen.add(path);
        leaks.push(...leaksIn(`${name} ${path}`, text + JSON.stringify([...answer.headers]), SECRETS));
      }
    }
  }
  expect(leaks).toEqual([]);
  // Ensures that the search includes the places where credentials are shown.
  for (const path of [
    '/settings',
    '/api/me/env-overrides',
    '/api/admin/shared-env',
    '/conversations/:id',
    '/api/runners',
  ]) {
    expect([...seen]).toContain(path);
  }
});

test('law 14: a key that was typed is in no answer to the form, whether taken, tried or refused', async () => {
  const typed = { LLM_API_KEY: TYPED_KEY, LLM_MODEL: 'm' };
  const fields = [
    { scope: '', ...typed, LLM_BASE_URL: 'nonsense' },
    { scope: 'nowhere', ...typed, LLM_BASE_URL: alices.url },
    { scope: '', ...typed, LLM_BASE_URL: alices.url, UNKNOWN: 'x' },
    { scope: '', ...typed, LLM_BASE_URL: alices.url },
  ];
  for (const path of ['/settings/credentials/try', '/settings/credentials']) {
    for (const [index, body] of fields.entries()) {
      for (const headers of [{}, { 'hx-request': 'true' }]) {
        const init = { method: 'POST', body: new URLSearchParams(body), headers };
        const answer = await people.bob.request(path, init);
        expect(leaksIn(`${path} ${index}`, await answer.text(), SECRETS)).toEqual([]);
      }
    }
  }
  const body = { value: `${TYPED_KEY}\u0007` };
  const refused = await people.bob.request('/api/me/env-overrides/LLM_API_KEY', { method: 'PUT', body });
  expect([refused.status, leaksIn('refused', await refused.text(), SECRETS)]).toEqual([400, []]);
});

test('law 14: no runner of the broker is given an upstream key, nor is one sent to it, and it says none', () => {
  expect(runner.specs.length).toBeGreaterThanOrEqual(3);
  const asked = runner.requests.map(({ path, headers, text }) => [path, [...headers], text]);
  const lines = [...router.platform.runners.values()].map((one) => one.lines);
  expect(leaksIn('runners', JSON.stringify([runner.specs, asked, lines]), SECRETS)).toEqual([]);
  // Ensures that the upstreams were called with the keys.
  for (const upstream of [admins, alices]) expect(upstream.requests.length).toBeGreaterThan(0);
});

test('law 14: no file holds an upstream key: not the database, its log, a home or anything beside them', async () => {
  await router.context.metering.flush();
  const { files, leaks } = await leaksBelow(router.dataRoot, SECRETS);
  expect(leaks).toEqual([]);
  const names = files.map((path) => basename(path));
  for (const name of ['router.db', 'router.db-wal', 'AGENTS.md']) expect(names).toContain(name);
});
