/**
 * The real OpenClaw in containers of a real engine, through the whole router with the official OpenAI client. The tests
 * run in this order: each continues with the container of the previous one.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import OpenAI from 'openai';
import { docker } from '../support/engine';
import { PEOPLE, until } from '../support/router';
import { UPSTREAM_USAGE } from '../support/upstream';
import { requireOpenclaw } from './openclaw/image';
import { type Clawed, type Owner, REAL_KEY, startAgain, startOpenclaw, toolCall, toolOutput } from './openclaw/people';

/** Only ends a failed test: OpenClaw starts within half a minute, on a slow machine within two. */
setDefaultTimeout(300_000);

const image = await requireOpenclaw('the real OpenClaw');

describe.skipIf(image === undefined)('the real OpenClaw', () => {
  let clawed: Clawed;
  let alice: Owner;
  let bob: Owner;
  beforeAll(async () => {
    clawed = await startOpenclaw(image ?? '');
    ({ alice, bob } = clawed);
  });
  afterAll(() => clawed[Symbol.asyncDispose]());

  test('law 11: a streaming client hears of the start while it lasts, and then the answer', async () => {
    clawed.upstream.script({ pieces: ['Good', ' morning.'] });
    const answer = await fetch(`${clawed.router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${alice.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'openclaw', stream: true, messages: [{ role: 'user', content: 'Hello.' }] }),
    });
    const text = await answer.text();
    expect(text).toMatch(/^: agent-stack: .+\(\d+%\)$/m);
    expect(text).toContain('"content":"Good');
    expect(text.trimEnd()).toEndWith('data: [DONE]');
    expect(clawed.told()).toContain('Hello.');
  });

  test('the second turn of a conversation reaches the upstream with the first one before it', async () => {
    const conversation = await alice.converse();
    clawed.upstream.script({ pieces: ['It is noted: heron.'] }, { pieces: ['Your word is heron.'] });
    expect(await alice.ask('My word is heron.', conversation)).toBe('It is noted: heron.');
    expect(await alice.ask('What is my word?', conversation)).toBe('Your word is heron.');
    for (const text of ['My word is heron.', 'It is noted: heron.', 'What is my word?']) {
      expect(clawed.told().split(text)).toHaveLength(2);
    }
    expect(await alice.ask('And elsewhere?')).toBe('Hello from upstream.');
    expect(clawed.told()).not.toContain('heron');
  });

  test('the pieces of an answer arrive while the upstream still holds the others back', async () => {
    const gate = Promise.withResolvers<void>();
    clawed.upstream.script({ pieces: ['One', gate.promise, ' two.'] });
    const pieces: string[] = [];
    for await (const piece of alice.stream('Count.')) {
      pieces.push(piece);
      gate.resolve();
    }
    expect(pieces).toEqual(['One', ' two.']);
  });

  test('the client lists OpenClaw, and reads what the upstream has counted', async () => {
    const models = await Array.fromAsync(await alice.openai.models.list());
    expect(models.map(({ id }) => id)).toEqual(expect.arrayContaining(['openclaw', 'openclaw-small']));
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const { usage } = await alice.openai.chat.completions.create({ model: 'openclaw', messages });
    expect(usage).toMatchObject(UPSTREAM_USAGE);
  });

  test('a tool that the upstream asks for runs in the container, as its user, and its output goes back', async () => {
    clawed.upstream.script(toolCall('exec', { command: 'id -u; hostname' }), { pieces: ['Done.'] });
    const container = await alice.container();
    expect(await alice.ask('Who are you?')).toBe('Done.');
    expect(clawed.told()).toContain(`1000\\n${container.Config.Hostname}`);
  });

  test('law 9: a client that leaves ends the call to the upstream', async () => {
    const gate = Promise.withResolvers<void>();
    clawed.upstream.script({ pieces: ['Once', gate.promise, ' upon a time.'] });
    const before = clawed.upstream.abortedCount;
    const client = new AbortController();
    for await (const piece of alice.stream('Tell me a story.', client.signal)) {
      if (piece === 'Once') client.abort();
    }
    await until(() => clawed.upstream.abortedCount === before + 1, 'the upstream is left');
    gate.resolve();
    expect(await alice.ask('Still there?')).toBe('Hello from upstream.');
  });

  test('an upstream that fails is one call and an error to the client, and the next turn is answered', async () => {
    const conversation = await alice.converse();
    const before = clawed.upstream.requests.length;
    clawed.upstream.script({ status: 500, message: 'Broken.' }, { status: 500, message: 'Broken.' });
    const refused = await alice.ask('Hello?', conversation).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(OpenAI.InternalServerError);
    await expect(Array.fromAsync(alice.stream('Hello?'))).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(clawed.upstream.requests.length - before).toBe(2);
    expect(await alice.ask('And now?', conversation)).toBe('Hello from upstream.');
  });

  test('law 14: neither the container nor its home holds the key of the upstream', async () => {
    const container = await alice.container();
    const home = container.Mounts[0]?.Source ?? '';
    expect(await filesWith(container.Config.Hostname, home)).not.toEqual([]);
    expect(await filesWith(REAL_KEY, home)).toEqual([]);
    expect(JSON.stringify(container)).not.toContain(REAL_KEY);
    expect(clawed.upstream.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${REAL_KEY}`);
  });

  test('law 14: an agent that prints the environment of all its processes shows no key of the upstream', async () => {
    const command = "env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'";
    clawed.upstream.script(toolCall('exec', { command }), { pieces: ['Printed.'] });
    expect(await alice.ask('Print your environment.')).toBe('Printed.');
    const printed = toolOutput(clawed.upstream);
    expect(printed).toContain('/upstream/v1');
    expect(printed).not.toContain(REAL_KEY);
  });

  test('two users have a container, a home and a memory of their own', async () => {
    clawed.upstream.script({ pieces: ['It is noted.'] }, { pieces: ['I know of no bird.'] });
    const [hers, his] = [await alice.converse(), await bob.converse()];
    await alice.ask('My bird is a kingfisher.', hers);
    expect(await bob.ask('Which bird is it?', his)).toBe('I know of no bird.');
    expect(clawed.told()).not.toContain('kingfisher');
    await expect(bob.ask('Which bird is it?', hers)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const homes = await Promise.all([alice, bob].map(async (who) => (await who.container()).Mounts[0]?.Source ?? ''));
    expect(new Set(homes).size).toBe(2);
    const [inHers, inHis] = await Promise.all(homes.map((home) => filesWith('kingfisher', home)));
    expect(inHers).not.toEqual([]);
    expect(inHis).toEqual([]);
    expect(await clawed.containers()).toHaveLength(2);
  });

  test('law 16: a key that the upstream refuses is said to be wrong, and the right one counts from the next turn on', async () => {
    const { Id } = await bob.container();
    await bob.set('LLM_API_KEY', 'sk-wrong');
    const refused = await bob.ask('Hello?').catch((thrown: unknown) => thrown);
    await bob.set('LLM_API_KEY', REAL_KEY);
    expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
    expect(String(refused)).toContain('refused the credentials in Settings');
    // The upstream's own words would make OpenClaw pause for half a minute, whatever its key.
    expect(String(refused)).not.toContain('Incorrect API key');
    expect(await bob.ask('And now?')).toBe('Hello from upstream.');
    expect((await bob.container()).Id).toBe(Id);
  });

  test('law 3: OpenClaw with too little memory is lost on its first turn, and both doors say that this was it', async () => {
    const messages = [{ role: 'user' as const, content: 'Hello.' }];
    const answer = bob.openai.chat.completions.create({ model: 'openclaw-small', messages });
    const refused = await answer.catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(OpenAI.InternalServerError);
    expect(refused).toMatchObject({ code: 'runner_lost', message: expect.stringContaining('ran out of memory') });
    const status = () => clawed.router.context.runners.status(bob.smallAgentId);
    await until(() => status().state === 'failed', 'the router knows');
    expect(status().progress.message).toContain('ran out of memory');
  });

  test('a conversation goes on after its container was stopped and started, in another one', async () => {
    const conversation = await bob.converse();
    await bob.ask('My fish is a pike.', conversation);
    const { Id } = await bob.container();
    const stop = () => bob.person.request('/api/runners/openclaw', { method: 'DELETE' });
    expect((await stop()).status).toBe(200);
    expect(await clawed.containers()).toHaveLength(1);
    expect((await bob.person.request('/api/runners/openclaw/start', { method: 'POST' })).status).toBe(200);
    expect((await bob.container()).Id).not.toBe(Id);
    await bob.ask('Which fish is it?', conversation);
    expect(clawed.told()).toContain('My fish is a pike.');
    expect((await stop()).status).toBe(200);
    expect(await clawed.containers()).toHaveLength(1);
  });

  test('a conversation goes on after its idle container was reaped, in another one', async () => {
    const conversation = await alice.converse();
    await alice.ask('My tree is a larch.', conversation);
    await alice.setIdleSeconds(1);
    await until(async () => (await clawed.containers()).length === 0, 'the container is reaped', 60_000);
    await alice.setIdleSeconds(0);
    await alice.ask('Which tree is it?', conversation);
    expect(clawed.told()).toContain('My tree is a larch.');
    expect(await clawed.containers()).toHaveLength(1);
  });

  test('law 5: a conversation goes on after its container was removed by force', async () => {
    const conversation = await alice.converse();
    await alice.ask('My river is the Oder.', conversation);
    await docker.getContainer((await alice.container()).Id).remove({ force: true });
    await until(() => !alice.isWarm(), 'the router knows');
    expect(await alice.ask('Which river is it?', conversation)).toBe('Hello from upstream.');
    expect(clawed.told()).toContain('My river is the Oder.');
  });

  test('law 2: after kill -9 of the router the same container answers, and none is left when it is stopped', async () => {
    const conversation = await alice.converse();
    await alice.ask('My stone is jasper.', conversation);
    const container = await alice.container();
    await clawed.router.stop();
    await using router = await startAgain(clawed);
    const openai = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: alice.apiKey, maxRetries: 0 });
    for (const content of ['Which stone is it?', 'And after a crash?']) {
      const messages = [{ role: 'user' as const, content }];
      const headers = { 'x-conversation-id': conversation };
      await openai.chat.completions.create({ model: 'openclaw', messages }, { headers });
      expect(clawed.told()).toContain('My stone is jasper.');
      await router.kill('SIGKILL');
      await router.start();
    }
    expect((await clawed.containers()).map(({ Id }) => Id)).toEqual([container.Id]);
    const again = await router.signIn(PEOPLE.alice);
    expect((await again.request('/api/runners/openclaw', { method: 'DELETE' })).status).toBe(200);
    expect(await clawed.containers()).toEqual([]);
  });
});

/** The files below a folder that contain `text`, of any kind. */
async function filesWith(text: string, folder: string): Promise<string[]> {
  const found = await Bun.$`grep --recursive --files-with-matches --fixed-strings -e ${text} ${folder}`
    .nothrow()
    .quiet();
  return found.stdout.toString().split('\n').filter(Boolean);
}
