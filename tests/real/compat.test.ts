/**
 * The sessions of the first agent-stack's documentation, by the real curl against a router process: signing in, sharing the
 * LLM's key, runners, conversations, `/v1`, agents, accounts. Each answer has the members that were documented there;
 * docs/api.md lists what differs.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RouterProcess, startRouterProcess } from '../support/process';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const ROOT = join(import.meta.dir, '../..');
const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
/** The first agent-stack's backends, with the demo agent in the place of their images. */
const backend = (name: string, display: string) => ({
  ...{ name, display_name: display, driver: 'process', trusted: true, health_path: '/healthz', history: 'last-turn' },
  cmd: ['bun', join(ROOT, 'backends/demo/main.ts')],
  ...{ extra_models: [`${name}/main`], user_overridable_env: LLM, default_idle_seconds: 600 },
});

let router: RouterProcess;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stack-curl-'));
  // So that each command stays as people type it: its status is a last line.
  await writeFile(join(folder, '.curlrc'), 'write-out = "\\n%{http_code}"\n');
  const backends = [backend('openclaw', 'OpenClaw'), backend('hermes-agent', 'Hermes Agent')];
  router = await startRouterProcess({ backends, env: { BOOTSTRAP_ADMIN_EMAIL: 'admin@local' } });
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Values of `$NAME` in commands, beside `$BASE` and `$JAR`. */
type Variables = Readonly<Record<string, string>>;
interface Answer {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests below say what is in it
  readonly json: any;
}

const PASSWORD = 'a-long-password';
const environment = (jar: string, variables: Variables) => ({
  ...{ PATH: process.env.PATH ?? '', HOME: folder, BASE: router.url, JAR: join(folder, `${jar}.jar`) },
  ...{ ADMIN_PASSWORD: router.admin.password, PASSWORD, ...variables },
});

/** A shell of somebody who keeps their cookies in a jar. */
const shellOf =
  (jar: string, variables: Variables = {}) =>
  async (command: string, more: Variables = {}): Promise<Answer> => {
    const env = environment(jar, { ...variables, ...more });
    const child = Bun.spawn(['sh', '-euc', command], { env, stdout: 'pipe', stderr: 'inherit' });
    const output = await new Response(child.stdout).text();
    const [, text = '', status] = /^([\s\S]*)\n(\d{3})$/.exec(output) ?? [];
    expect([command, await child.exited]).toEqual([command, 0]);
    return {
      ...{ status: Number(status), text },
      // Each time anew: Bun's toMatchObject writes its matchers into what it compares.
      get json() {
        return /^[[{]/.test(text) ? JSON.parse(text) : undefined;
      },
    };
  };

/** An endless stream. `line` gives its next line that has the words. */
function follow(jar: string, command: string, variables: Variables = {}) {
  const env = environment(jar, variables);
  const child = Bun.spawn(['sh', '-euc', `exec ${command}`], { env, stdout: 'pipe', stderr: 'inherit' });
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = '';
  return {
    async line(words: string): Promise<string> {
      for (;;) {
        const lines = text.split('\n');
        const index = lines.slice(0, -1).findIndex((line) => line.includes(words));
        text = lines.slice(index + 1).join('\n');
        if (index !== -1) return lines[index] ?? '';
        const { value, done } = await reader.read();
        if (done) throw new Error(`The stream ended without "${words}"`);
        text += decoder.decode(value, { stream: true });
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.exited;
    },
  };
}

/** The events of a stream that has ended. */
const eventsOf = ({ text }: Answer) =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => (data === '[DONE]' ? data : JSON.parse(data)));

/** Signs up, and returns a shell with the cookie. */
async function newPerson(name: string, variables: Variables = {}) {
  const shell = shellOf(name, { EMAIL: `${name}@example.org`, NAME: name, ...variables });
  const made = await shell(
    `curl -s -c $JAR -H 'Content-Type: application/json' -d '{"email":"'$EMAIL'","password":"'$PASSWORD'","name":"'$NAME'"}' $BASE/auth/signup`,
  );
  expect(made.status).toBe(200);
  return { shell, user: made.json.user };
}

const text = expect.any(String);
const number = expect.any(Number);
const USER = { id: text, email: text, slug: text, role: 'user' };
const AGENT = {
  ...{ id: text, user_id: text, backend: text, name: text, model: text, ordinal: number },
  ...{ created_at: number, updated_at: number, running: expect.any(Boolean) },
};
const CONVERSATION = { id: text, backend: text, model: text, agent_id: text, title: text, created_at: number };
const MESSAGE = { id: text, content: text, created_at: number };

test("the administrator's session of the quick start: signing in, saving the LLM's three values, sharing them", async () => {
  const admin = shellOf('admin');
  const signedIn = await admin(
    `curl -s -c $JAR -H 'Content-Type: application/json' -d '{"email":"admin@local","password":"'$ADMIN_PASSWORD'"}' $BASE/auth/login`,
  );
  expect(signedIn.json).toMatchObject({ user: { ...USER, email: 'admin@local', role: 'admin' } });
  expect(await readFile(join(folder, 'admin.jar'), 'utf8')).toMatch(
    /#HttpOnly_127\.0\.0\.1\t.*\tagent_stack_session\t/,
  );
  const values = { LLM_BASE_URL: 'https://api.openai.com/v1', LLM_API_KEY: 'sk-...', LLM_MODEL: 'gpt-5-mini' };
  for (const [name, value] of Object.entries(values)) {
    const saved = await admin(
      `curl -s -X PUT -b $JAR -H 'Content-Type: application/json' -d '{"value":"'$VALUE'","backend":""}' $BASE/api/me/env-overrides/$VAR`,
      { VAR: name, VALUE: value },
    );
    expect([saved.status, saved.json]).toEqual([200, { ok: true, set: true }]);
  }
  for (const name of LLM) {
    const shared = await admin(
      `curl -s -X PUT -b $JAR -H 'Content-Type: application/json' -d '{"shared":true}' $BASE/api/admin/shared-env/$VAR`,
      { VAR: name },
    );
    expect([shared.status, shared.json]).toEqual([200, { ok: true, shared: true }]);
  }
  expect((await admin('curl -s -b $JAR $BASE/api/admin/shared-env')).json).toEqual({
    vars: [...LLM].sort(),
    shared: { LLM_BASE_URL: true, LLM_API_KEY: true, LLM_MODEL: true },
    admin_has_value: { LLM_BASE_URL: true, LLM_API_KEY: true, LLM_MODEL: true },
  });
});

test('a user has the shared values until they save their own, for all backends or for one', async () => {
  const { shell } = await newPerson('values');
  const read = async () => (await shell('curl -s -b $JAR $BASE/api/me/env-overrides')).json;
  const before = await read();
  expect(before).toMatchObject({
    vars: [...LLM].sort(),
    backends: { LLM_MODEL: ['openclaw', 'hermes-agent'] },
    admin_shared: { LLM_MODEL: true },
    admin_shared_present: { LLM_MODEL: true },
    effective: { openclaw: { LLM_API_KEY: { source: 'shared', masked: text } } },
  });
  const put = (body: string, name: string) =>
    shell(`curl -s -X PUT -b $JAR -H 'Content-Type: application/json' -d "$BODY" $BASE/api/me/env-overrides/$VAR`, {
      ...{ BODY: body, VAR: name },
    });
  expect((await put('{"value":"my-model","backend":"openclaw"}', 'LLM_MODEL')).json).toEqual({ ok: true, set: true });
  expect(await read()).toMatchObject({
    overrides: { openclaw: { LLM_MODEL: 'my-model' } },
    effective: {
      openclaw: { LLM_MODEL: { source: 'backend', masked: 'my-model' } },
      'hermes-agent': { LLM_MODEL: { source: 'shared' } },
    },
  });
  expect((await put('{"value":"","backend":"openclaw"}', 'LLM_MODEL')).json).toEqual({ ok: true, set: false });
  const cleared = await shell('curl -s -X DELETE -b $JAR "$BASE/api/me/env-overrides/LLM_MODEL?backend=openclaw"');
  expect(cleared.json).toEqual({ ok: true });
  expect(await read()).toEqual(before);
  for (const [body, name, status] of [
    ['{"value":"x"}', 'PATH', 400],
    ['{"value":"x","backend":"nope"}', 'LLM_MODEL', 404],
  ] as const) {
    const refused = await put(body, name);
    expect([refused.status, refused.json.detail]).toEqual([status, text]);
  }
});

test('a runner is started, listed, given an idle time, followed and stopped by the name of its backend', async () => {
  const { shell } = await newPerson('runners');
  const backends = (await shell('curl -s -b $JAR $BASE/api/backends')).json.backends;
  expect(backends[0]).toMatchObject({
    ...{ name: 'openclaw', display_name: 'OpenClaw', models: ['openclaw', 'openclaw/main'] },
    ...{ default_idle_seconds: 600, idle_seconds: 600, user_overridable_env: LLM, disabled: false },
  });
  expect((await shell('curl -s -b $JAR $BASE/api/runners')).json).toEqual({ runners: [] });
  const started = await shell('curl -s -X POST -b $JAR $BASE/api/runners/openclaw/start');
  expect(started.json).toMatchObject({ runner: { backend: 'openclaw', container_name: text, host_port: number } });
  const { runners } = (await shell('curl -s -b $JAR $BASE/api/runners')).json;
  expect(runners).toEqual([
    expect.objectContaining({
      ...started.json.runner,
      ...{ started_at: number, last_active: number, idle_seconds: 600, idle_for_seconds: number },
      ...{ stops_in_seconds: number, running: true },
    }),
  ]);
  const idle = (seconds: string) =>
    shell(
      `curl -s -X PUT -b $JAR -H 'Content-Type: application/json' -d '{"idle_seconds":'$SECONDS'}' $BASE/api/runners/openclaw/idle`,
      { SECONDS: seconds },
    );
  expect((await idle('0')).json).toEqual({ idle_seconds: 0 });
  expect((await idle('1')).json).toEqual({ idle_seconds: 60 });
  expect((await idle('999999')).json).toEqual({ idle_seconds: 21_600 });
  expect(eventsOf(await shell('curl -s -N -b $JAR $BASE/api/runners/openclaw/progress'))).toEqual([
    { stage: 'ready', progress: 100, message: text, detail: expect.any(Object) },
  ]);
  const stop = () => shell('curl -s -X DELETE -b $JAR $BASE/api/runners/openclaw');
  expect((await stop()).json).toEqual({ stopped: true });
  expect((await stop()).json).toEqual({ stopped: false });
  const unknown = await shell('curl -s -X POST -b $JAR $BASE/api/runners/nope/start');
  expect([unknown.status, unknown.json.detail]).toEqual([404, text]);
});

test('a client that stores both sides of a streamed chat has each of them once', async () => {
  const { shell } = await newPerson('chats');
  const post = (path: string, body: object, more: Variables = {}) =>
    shell(`curl -s -N -b $JAR -H 'Content-Type: application/json' -d "$BODY" $BASE${path}`, {
      ...{ BODY: JSON.stringify(body), ...more },
    });
  const made = await post('/api/conversations', { backend: 'hermes-agent', model: null, title: null });
  expect(made.json).toMatchObject({
    conversation: { ...CONVERSATION, backend: 'hermes-agent', title: '', updated_at: number, message_count: 0, seq: 1 },
  });
  const id = made.json.conversation.id;
  await using stream = follow('chats', 'curl -s -N -b $JAR $BASE/api/conversations/$CONV/stream', { CONV: id });
  await stream.line('"kind":"hello"');
  const asked = await post(`/api/conversations/${id}/messages`, { role: 'user', content: 'echo of the client' });
  expect(asked.json).toMatchObject({ message: { ...MESSAGE, role: 'user' } });
  expect(JSON.parse((await stream.line('"kind":"message"')).slice('data: '.length))).toMatchObject({
    ...{ kind: 'message', payload: { ...asked.json.message, conversation_id: id } },
  });
  const chat = { model: 'hermes-agent/main', stream: true, user: `agstack-${id}` };
  const messages = [{ role: 'user', content: 'echo of the client' }];
  const events = eventsOf(await post('/v1/chat/completions', { ...chat, messages }));
  expect(events.at(-1)).toBe('[DONE]');
  const answer = events
    .slice(0, -1)
    .map(({ choices }) => choices[0]?.delta?.content ?? '')
    .join('');
  expect(answer).toContain('of the client');
  await post(`/api/conversations/${id}/messages`, { role: 'assistant', content: answer });
  const read = async (path = id) =>
    (await shell('curl -s -b $JAR $BASE/api/conversations/$CONV', { CONV: path })).json as {
      conversation: { title: string; message_count: number };
      messages: { id: string; role: string; content: string }[];
    };
  const { conversation, messages: stored } = await read();
  expect(stored.map(({ role, content }) => [role, content])).toEqual([
    ['user', 'echo of the client'],
    ['assistant', answer],
  ]);
  expect(conversation).toMatchObject({ title: 'echo of the client', message_count: 2 });
  expect(await read('by-slug/hermes-agent/1')).toEqual({
    conversation,
    messages: stored,
  } as object as typeof made.json);
  expect((await shell('curl -s -b $JAR $BASE/api/conversations')).json.conversations).toEqual([conversation]);

  const renamed = await shell(
    `curl -s -X PATCH -b $JAR -H 'Content-Type: application/json' -d '{"title":"Renamed"}' $BASE/api/conversations/$CONV`,
    { CONV: id },
  );
  expect(renamed.json.conversation).toMatchObject({ id, title: 'Renamed' });
  const cut = await shell('curl -s -X DELETE -b $JAR $BASE/api/conversations/$CONV/messages/after/$MESSAGE', {
    ...{ CONV: id, MESSAGE: stored[0]?.id ?? '' },
  });
  expect([cut.status, (await read()).messages.length]).toEqual([204, 1]);
  expect((await shell('curl -s -X DELETE -b $JAR $BASE/api/conversations/$CONV', { CONV: id })).status).toBe(204);
  const gone = await shell('curl -s -b $JAR $BASE/api/conversations/$CONV', { CONV: id });
  expect([gone.status, gone.json.detail]).toEqual([404, text]);
});

test('/v1 is open to the cookie, to its value as a Bearer credential, and to a key', async () => {
  const { shell } = await newPerson('programs');
  const models = (await shell('curl -s -b $JAR $BASE/v1/models')).json;
  expect(models).toMatchObject({ object: 'list' });
  expect(models.data[0]).toMatchObject({
    ...{ id: 'openclaw', object: 'model', created: number, owned_by: 'agent-stack', root: 'openclaw', running: false },
  });
  const ids = models.data.map(({ id }: { id: string }) => id);
  expect(ids).toEqual(expect.arrayContaining(['openclaw', 'openclaw/main', 'hermes-agent', 'hermes-agent/main']));

  const token = (await readFile(join(folder, 'programs.jar'), 'utf8')).split(/\s+/).at(-2) ?? '';
  const key = (
    await shell(`curl -s -b $JAR -H 'Content-Type: application/json' -d '{"name":"curl"}' $BASE/api/me/keys`)
  ).json.secret;
  const body = '{"model":"openclaw","messages":[{"role":"user","content":"echo Hello"}]}';
  for (const credential of ['-b $JAR', '-H "Authorization: Bearer $TOKEN"', '-H "Authorization: Bearer $KEY"']) {
    const answer = await shell(
      `curl -s ${credential} -H 'Content-Type: application/json' -d "$BODY" $BASE/v1/chat/completions`,
      { TOKEN: token, KEY: key, BODY: body },
    );
    expect([credential, answer.status, answer.json?.choices?.[0]?.message?.content]).toEqual([
      ...[credential, 200, expect.stringContaining('Hello')],
    ]);
  }
  // Without a Content-Type at all, as some clients send it.
  const untyped = await shell(`curl -s -b $JAR -H 'Content-Type:' -d "$BODY" $BASE/v1/chat/completions`, {
    BODY: body,
  });
  expect(untyped.status).toBe(200);
  const persona = await shell(`curl -s -b $JAR -H 'Content-Type:' -d "$BODY" $BASE/v1/chat/completions`, {
    BODY: body.replace('"openclaw"', '"openclaw/researcher"'),
  });
  expect([persona.status, persona.json.detail]).toEqual([404, expect.stringContaining('openclaw/researcher')]);
  const stranger = await shell(`curl -s -H 'Content-Type: application/json' -d "$BODY" $BASE/v1/chat/completions`, {
    BODY: body,
  });
  expect([stranger.status, stranger.json.detail]).toEqual([401, text]);
});

test('agents are made, up to three of a backend, renamed, started, stopped and deleted', async () => {
  const { shell, user } = await newPerson('agents');
  const listed = (await shell('curl -s -b $JAR $BASE/api/agents')).json;
  expect(listed).toMatchObject({ max_per_backend: 3, agents: [AGENT, AGENT] });
  const create = (name: string) =>
    shell(
      `curl -s -b $JAR -H 'Content-Type: application/json' -d '{"backend":"openclaw","name":"'$NAME'","model":null}' $BASE/api/agents`,
      { NAME: name },
    );
  const { agent } = (await create('researcher')).json;
  expect({ ...agent }).toMatchObject({
    ...AGENT,
    ...{ user_id: user.id, name: 'researcher', model: '', ordinal: 2, running: false },
    ...{ container_name: null, host_port: null },
  });
  expect((await create('coder')).status).toBe(200);
  const fourth = await create('one-too-many');
  expect([fourth.status, fourth.json.detail]).toEqual([409, text]);
  const own = (command: string) => shell(command, { AGENT: agent.id });
  const changed = await own(
    `curl -s -X PATCH -b $JAR -H 'Content-Type: application/json' -d '{"name":"writer","model":"gpt-5"}' $BASE/api/agents/$AGENT`,
  );
  expect(changed.json.agent).toMatchObject({ name: 'writer', model: 'gpt-5' });
  const started = await own('curl -s -X POST -b $JAR $BASE/api/agents/$AGENT/start');
  expect(started.json).toMatchObject({
    runner: { agent_id: agent.id, backend: 'openclaw', container_name: text, host_port: number },
  });
  expect((await own('curl -s -X DELETE -b $JAR $BASE/api/agents/$AGENT/runner')).json).toEqual({ stopped: true });
  expect((await own('curl -s -X DELETE -b $JAR $BASE/api/agents/$AGENT')).status).toBe(204);
  expect((await own('curl -s -X POST -b $JAR $BASE/api/agents/$AGENT/start')).status).toBe(404);
});

test('the administrator makes, changes and deletes accounts, and stops the runners of others', async () => {
  const admin = shellOf('admin');
  const { shell } = await newPerson('clerk');
  for (const path of ['users', 'runners', 'shared-env']) {
    const refused = await shell('curl -s -b $JAR $BASE/api/admin/$WHAT', { WHAT: path });
    expect([refused.status, refused.json.detail]).toEqual([403, text]);
  }
  const made = await admin(
    `curl -s -b $JAR -H 'Content-Type: application/json' -d '{"email":"new@example.org","password":"'$PASSWORD'","name":null}' $BASE/api/admin/users`,
  );
  expect(made.json.user).toMatchObject({ ...USER, email: 'new@example.org', name: null, created_at: number });
  const again = await admin(
    `curl -s -b $JAR -H 'Content-Type: application/json' -d '{"email":"NEW@example.org","password":"'$PASSWORD'"}' $BASE/api/admin/users`,
  );
  expect([again.status, again.json.detail]).toEqual([409, text]);
  const { users } = (await admin('curl -s -b $JAR $BASE/api/admin/users')).json;
  expect(users).toContainEqual(made.json.user);
  const about = (command: string) => admin(command, { USER_ID: made.json.user.id });
  const changed = await about(
    `curl -s -X PATCH -b $JAR -H 'Content-Type: application/json' -d '{"name":"New","password":"another-password"}' $BASE/api/admin/users/$USER_ID`,
  );
  expect(changed.json.user).toMatchObject({ name: 'New' });
  const theirs = shellOf('new');
  const signIn = () =>
    theirs(
      `curl -s -c $JAR -H 'Content-Type: application/json' -d '{"email":"new@example.org","password":"another-password"}' $BASE/auth/login`,
    );
  expect((await signIn()).status).toBe(200);
  await theirs('curl -s -X POST -b $JAR $BASE/api/runners/openclaw/start');
  const { runners } = (await admin('curl -s -b $JAR $BASE/api/admin/runners')).json;
  const running = runners.find(({ user_id }: { user_id: string }) => user_id === made.json.user.id);
  expect(running).toMatchObject({ backend: 'openclaw', container_name: text, host_port: number, started_at: number });
  expect(running).not.toHaveProperty('api_key');
  expect((await about('curl -s -X DELETE -b $JAR $BASE/api/admin/runners/$USER_ID/openclaw')).json).toEqual({
    stopped: true,
  });
  expect((await about('curl -s -X DELETE -b $JAR $BASE/api/admin/users/$USER_ID')).status).toBe(204);
  // Kept for a while, also when deleted again, and gone at once where that is asked for.
  expect((await about('curl -s -X DELETE -b $JAR $BASE/api/admin/users/$USER_ID')).status).toBe(204);
  expect((await signIn()).status).toBe(403);
  expect((await about('curl -s -X DELETE -b $JAR $BASE/api/admin/users/$USER_ID?purge=true')).status).toBe(204);
  expect((await signIn()).status).toBe(401);
});

test('signing out ends the cookie, also for whoever has copied it', async () => {
  const { shell } = await newPerson('leaver');
  expect((await shell('curl -s -b $JAR $BASE/auth/me')).json.user).toMatchObject(USER);
  await shell('cp $JAR $JAR.copy; curl -s $BASE/healthz');
  expect((await shell('curl -s -X POST -b $JAR -c $JAR $BASE/auth/logout')).json).toEqual({ ok: true });
  const copied = await shell('curl -s -b $JAR.copy $BASE/auth/me');
  expect([copied.status, copied.json.detail]).toEqual([401, text]);
});

test('what differs on purpose is refused in words', async () => {
  const admin = shellOf('admin');
  const { shell } = await newPerson('differs');
  const put = (body: string, name: string) =>
    shell(`curl -s -X PUT -b $JAR -H 'Content-Type: application/json' -d "$BODY" $BASE/api/me/env-overrides/$VAR`, {
      ...{ BODY: body, VAR: name },
    });
  const invalid = await put('{"value":"not a URL"}', 'LLM_BASE_URL');
  expect([invalid.status, invalid.json.detail]).toEqual([400, text]);
  // An address of the user's own never gets the shared key.
  expect((await put('{"value":"https://llm.example.org/v1"}', 'LLM_BASE_URL')).status).toBe(200);
  const { effective } = (await shell('curl -s -b $JAR $BASE/api/me/env-overrides')).json;
  expect(effective.openclaw).toMatchObject({
    LLM_BASE_URL: { source: 'global', masked: 'https://llm.example.org/v1' },
    LLM_API_KEY: { source: 'unset', masked: '' },
  });
  const start = await shell('curl -s -X POST -b $JAR $BASE/api/runners/openclaw/start');
  expect([start.status, start.json.detail]).toEqual([422, expect.stringContaining('LLM_API_KEY')]);
  const refusals = [
    ['-d \'{"email":"short@example.org","password":"sixsix"}\' $BASE/api/admin/users', 400],
    ["-d 'no JSON' $BASE/api/admin/users", 400],
    ['-d \'{"email":"a@example.org"}\' $BASE/auth/login', 422],
    ['-d \'{"model":"nope","messages":[]}\' $BASE/v1/chat/completions', 404],
    ['-d \'{"model":"openclaw","input":"x"}\' $BASE/v1/embeddings', 404],
    ['$BASE/api/rooms', 404],
  ] as const;
  for (const [asked, status] of refusals) {
    const answer = await admin(`curl -s -b $JAR -H 'Content-Type: application/json' ${asked}`);
    expect([asked, answer.status, answer.json.detail]).toEqual([asked, status, text]);
  }
});

test('the document of the API is at /openapi.json and its page at /docs, for everybody', async () => {
  const stranger = shellOf('stranger');
  const document = await stranger('curl -s $BASE/openapi.json');
  expect([document.status, document.json.openapi, Object.keys(document.json.paths)]).toEqual([
    ...[200, expect.stringMatching(/^3\.1\./), expect.arrayContaining(['/auth/login', '/v1/chat/completions'])],
  ]);
  for (const path of ['', '/agents', '/objects']) {
    const page = await stranger('curl -s $BASE/docs$PART', { PART: path });
    expect([path, page.status, page.text]).toEqual([path, 200, expect.stringContaining('<h1')]);
  }
  expect((await stranger('curl -s $BASE/docs/nothing')).status).toBe(404);
});

test('the old port says where the new one is', async () => {
  const asked = await shellOf('admin', { OLD: router.internalUrl })('curl -s -b $JAR $OLD/v1/models');
  expect([asked.status, asked.json.detail]).toEqual([404, expect.stringContaining(new URL(router.url).port)]);
  const healthy = await shellOf('admin', { OLD: router.internalUrl })('curl -s $OLD/healthz');
  expect(healthy.json).toMatchObject({ ok: true, backends: ['openclaw', 'hermes-agent'], prepull_status: {} });
});
