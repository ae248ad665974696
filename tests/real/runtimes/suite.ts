/**
 * What each of the real runtimes must do, in containers of a real engine, through the whole router with the official
 * OpenAI client. The tests run in this order: each continues with the containers of the previous one. Each is a row of the
 * table in `docs/runtimes.md`; what a name has in parentheses differs between the runtimes, and is the cell.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import OpenAI from 'openai';
import { docker, runInside } from '../../support/engine';
import { PEOPLE, until } from '../../support/router';
import { startRuntime } from '../../support/runtimes';
import { UPSTREAM_USAGE } from '../../support/upstream';
import { testCallback } from './callback';
import { requireImage } from './image';
import { type Hosted, type Owner, REAL_KEY, realBackend, smallName, startAgain, startHosted } from './people';
import { pinsOf } from './pins';
import { notesOf, type RealRuntime } from './runtimes';
import { play, realRunner } from './same-script';
import { toolOutput } from './tool-call';

const HELLO = 'Hello from upstream.';
/** Only ends a failed test: the slowest starts within half a minute, on a slow machine within two. */
const limitMs = 300_000;
/** Between two pieces of an answer that has no end. */
const PACE_MS = 20;

interface Failure {
  readonly by: RealRuntime['failsWith'];
  readonly text: string;
}

/** Declares the tests of a runtime; none where its image is not on the engine. */
export async function testRuntime(runtime: RealRuntime): Promise<void> {
  setDefaultTimeout(limitMs);
  const image = await requireImage(runtime.recipe, `the real ${runtime.title}`);
  describe.skipIf(image === undefined)(`the real ${runtime.title}`, () => declare(runtime, image ?? ''));
}

function declare(runtime: RealRuntime, image: string): void {
  let hosted: Hosted;
  let alice: Owner;
  let bob: Owner;
  beforeAll(async () => {
    hosted = await startHosted(runtime, image);
    ({ alice, bob } = hosted);
  });
  afterAll(() => hosted[Symbol.asyncDispose]());

  const notes = notesOf(runtime);
  const asks = { model: runtime.name };
  const stopRunner = (who: Owner) => who.person.request(`/api/runners/${runtime.name}`, { method: 'DELETE' });

  /** How an answer without a stream told that the upstream failed. */
  async function failureOf(who: Owner, content: string, conversation?: string): Promise<Failure> {
    const headers = conversation === undefined ? {} : { 'x-conversation-id': conversation };
    const messages = [{ role: 'user' as const, content }];
    try {
      const { choices } = await who.openai.chat.completions.create({ ...asks, messages }, { headers });
      const reason = String(choices[0]?.finish_reason);
      return { by: reason === 'error' ? 'finish reason' : 'text', text: choices[0]?.message.content ?? '' };
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(OpenAI.APIError);
      return { by: 'status', text: String(thrown) };
    }
  }

  test('its start is shown in percent while it lasts, and then the client that waits gets its answer', async () => {
    hosted.upstream.script({ pieces: ['Good', ' morning.'] });
    const answer = Array.fromAsync(alice.stream('Hello.'));
    const status = () => hosted.router.context.runners.status(alice.agentId);
    await until(() => status().state === 'starting' && (status().progress.percent ?? 0) > 0, 'the start is shown');
    expect((await answer).join('')).toBe('Good morning.');
    expect(hosted.told()).toContain('Hello.');
  });

  test('its program tells the version that backends.json pins', async () => {
    const { version, tag } = pinsOf(runtime.name);
    const { Id } = await alice.container();
    const said = await runInside(docker.getContainer(Id), runtime.versionCommand, String(runtime.uid));
    expect(said).toContain(version);
    // The authors of Hermes Agent tag an image with the date of its release, which the program says too.
    expect(said).toContain(tag.replace(/^v/, ''));
  });

  test('the second turn of a conversation reaches the upstream with the first one before it', async () => {
    const conversation = await alice.converse();
    hosted.upstream.script({ pieces: ['It is noted: heron.'] }, { pieces: ['Your word is heron.'] });
    expect(await alice.ask('My word is heron.', conversation)).toBe('It is noted: heron.');
    expect(await alice.ask('What is my word?', conversation)).toBe('Your word is heron.');
    for (const text of ['My word is heron.', 'It is noted: heron.', 'What is my word?']) {
      expect(hosted.told().split(text)).toHaveLength(2);
    }
    expect(await alice.ask('And elsewhere?')).toBe(HELLO);
    expect(hosted.told()).not.toContain('heron');
  });

  test('the pieces of an answer arrive while the upstream still holds the others back', async () => {
    const gate = Promise.withResolvers<void>();
    hosted.upstream.script({ pieces: ['One', gate.promise, ' two.'] });
    const pieces: string[] = [];
    for await (const piece of alice.stream('Count.')) {
      pieces.push(piece);
      gate.resolve();
    }
    expect(pieces).toEqual(['One', ' two.']);
  });

  test('the client lists the runtime, and reads the tokens that the upstream has counted', async () => {
    const models = await Array.fromAsync(await alice.openai.models.list());
    expect(models.map(({ id }) => id)).toEqual(expect.arrayContaining([runtime.name, smallName(runtime)]));
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const { usage } = await alice.openai.chat.completions.create({ ...asks, messages });
    expect(usage).toMatchObject(UPSTREAM_USAGE);
  });

  test('a command that the upstream asks for runs in the container, as its user, and its output goes back', async () => {
    hosted.upstream.script(runtime.shell('id -u; hostname'), { pieces: ['Done.'] });
    const container = await alice.container();
    expect((await alice.ask('Who are you?')).trim()).toBe('Done.');
    expect(toolOutput(hosted.upstream).replaceAll('\\n', '\n')).toContain(
      `${runtime.uid}\n${container.Config.Hostname}`,
    );
  });

  test(`the page shows the commands that it runs (${notes.tools})`, async () => {
    const conversation = await alice.converse();
    hosted.upstream.script(runtime.shell('echo seen'), { pieces: ['Done.'] });
    const form = { method: 'POST', body: new URLSearchParams({ text: 'Say it.' }) };
    expect((await alice.person.request(`/conversations/${conversation}/messages`, form)).status).toBe(303);
    const { conversations } = hosted.router.context.stores;
    await until(async () => (await conversations.page(conversation, { limit: 1 }))[0]?.status === 'done', 'it ends');
    const page = await (await alice.person.request(`/conversations/${conversation}`)).text();
    expect(page).toContain('Done.');
    expect(page.includes('echo seen')).toBe(runtime.reportsTools);
  });

  test(`law 9: a client that leaves ends the call to the upstream (${notes.left})`, async () => {
    const gate = Promise.withResolvers<void>();
    hosted.upstream.script({ pieces: storyFor(runtime, gate.promise) });
    const client = new AbortController();
    for await (const piece of alice.stream('Tell me a story.', client.signal)) {
      if (piece === 'Once') client.abort();
    }
    const count = hosted.turns().length;
    if (runtime.endsCall !== 'at once') gate.resolve();
    const expected = runtime.endsCall === 'by itself' ? 'finished' : 'aborted';
    expect(await hosted.turns().at(-1)?.ended).toBe(expected);
    expect(hosted.turns()).toHaveLength(count);
    gate.resolve();
    expect(await alice.ask('Still there?')).toBe(HELLO);
  });

  test(`an upstream that fails is told to the client, and the next turn is answered (${notes.failed})`, async () => {
    const conversation = await alice.converse();
    const before = hosted.turns().length;
    const broken = () => Array.from({ length: runtime.callsOfFailedTurn }, () => ({ status: 500, message: 'Broken.' }));
    hosted.upstream.script(...broken());
    const { by, text } = await failureOf(alice, 'Hello?', conversation);
    expect(by).toBe(runtime.failsWith);
    if (by !== 'status') expect(text).toContain('Broken.');
    hosted.upstream.script(...broken());
    const streamed = Array.fromAsync(alice.stream('Hello?'));
    if (runtime.streamFailsWith === 'error') await expect(streamed).rejects.toBeInstanceOf(OpenAI.APIError);
    else expect((await streamed).join('')).toContain('Broken.');
    expect(hosted.turns().length - before).toBe(2 * runtime.callsOfFailedTurn);
    expect(await alice.ask('And now?', conversation)).toBe(HELLO);
  });

  test('law 14: neither the container nor its home holds the key of the upstream', async () => {
    const container = await alice.container();
    const home = container.Mounts[0]?.Source ?? '';
    expect(await filesIn(home)).not.toEqual([]);
    expect(await filesWith(REAL_KEY, home)).toEqual([]);
    expect(JSON.stringify(container)).not.toContain(REAL_KEY);
    expect(hosted.upstream.requests.at(-1)?.headers.get('authorization')).toBe(`Bearer ${REAL_KEY}`);
  });

  test('law 14: no process of the container has the key of the upstream in its environment', async () => {
    hosted.upstream.script(runtime.shell('env'), { pieces: ['Printed.'] });
    expect((await alice.ask('Print your environment.')).trim()).toBe('Printed.');
    expect(toolOutput(hosted.upstream)).toContain('PWD=');
    expect(toolOutput(hosted.upstream)).not.toContain(REAL_KEY);
    const environments = await environmentsIn((await alice.container()).Id);
    expect(environments).toContain('/upstream/v1');
    expect(environments).not.toContain(REAL_KEY);
  });

  test('what it stores in its memory in one conversation is told to the model in another', async () => {
    hosted.upstream.script(runtime.remember('The flower is a gentian.'), { pieces: ['It is noted.'] });
    await alice.ask('My flower is a gentian.', await alice.converse());
    await alice.ask('Which flower is it?', await alice.converse());
    expect(hosted.told()).toContain('The flower is a gentian.');
  });

  test('the AGENTS.md of its seed is told to the model, an edited one too, and the next start restores it', async () => {
    await alice.ask('Who are you?', await alice.converse());
    expect(hosted.told()).toContain('You are the personal agent of Alice.');
    hosted.upstream.script(runtime.shell("echo 'Answer in rhymes.' >> AGENTS.md"), { pieces: ['It is edited.'] });
    await alice.ask('Always answer in rhymes.');
    await alice.ask('And now?', await alice.converse());
    expect(hosted.told()).toContain('Answer in rhymes.');
    expect((await stopRunner(alice)).status).toBe(200);
    await alice.ask('And after a start?', await alice.converse());
    expect(hosted.told()).toContain('You are the personal agent of Alice.');
    expect(hosted.told()).not.toContain('Answer in rhymes.');
  });

  testCallback(runtime, () => hosted);

  test('its twin of the fast tests answers the same requests in the same way', async () => {
    const entry = realBackend(runtime, image);
    const healthPath = String(entry.health_path);
    const real = await play(runtime, await realRunner(hosted, entry), healthPath);
    await using twins = await startRuntime(runtime.name);
    await Array.fromAsync(twins.alice.stream('Hello.'));
    const [twin] = twins.router.platform.runners.values();
    const key = twin?.spec.env[String(entry.api_key_env)] ?? '';
    const served = { url: twin?.url ?? '', key, upstream: twins.upstream };
    expect(await play(runtime, served, healthPath)).toEqual(real);
  });

  test('two users have a container, a home and a memory of their own', async () => {
    hosted.upstream.script({ pieces: ['It is noted.'] }, { pieces: ['I know of no bird.'] });
    const [hers, his] = [await alice.converse(), await bob.converse()];
    await alice.ask('My bird is a kingfisher.', hers);
    expect(await bob.ask('Which bird is it?', his)).toBe('I know of no bird.');
    expect(hosted.told()).not.toContain('kingfisher');
    await expect(bob.ask('Which bird is it?', hers)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const homes = await Promise.all([alice, bob].map(async (who) => (await who.container()).Mounts[0]?.Source ?? ''));
    expect(new Set(homes).size).toBe(2);
    const [inHers, inHis] = await Promise.all(homes.map((home) => filesWith('kingfisher', home)));
    expect(inHers).not.toEqual([]);
    expect(inHis).toEqual([]);
    expect(await hosted.containers()).toHaveLength(2);
  });

  test('law 16: a key that the upstream refuses is said to be wrong, and the right one counts from the next turn on', async () => {
    const { Id } = await bob.container();
    await bob.set('LLM_API_KEY', 'sk-wrong');
    const { by, text } = await failureOf(bob, 'Hello?');
    await bob.set('LLM_API_KEY', REAL_KEY);
    expect(by).toBe(runtime.failsWith);
    expect(text).toContain('refused the credentials in Settings');
    // OpenClaw pauses for half a minute at the upstream's own words, whatever its key.
    expect(text).not.toContain('Incorrect API key');
    expect(await bob.ask('And now?')).toBe(HELLO);
    expect((await bob.container()).Id).toBe(Id);
  });

  test('law 3: too little memory ends it, and both doors say that this was the cause', async () => {
    const messages = [{ role: 'user' as const, content: 'Hello.' }];
    const answer = bob.openai.chat.completions.create({ model: smallName(runtime), messages });
    const refused = await answer.catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(OpenAI.InternalServerError);
    expect(refused).toMatchObject({ code: 'runner_lost', message: expect.stringContaining('ran out of memory') });
    const status = () => hosted.router.context.runners.status(bob.smallAgentId);
    await until(() => status().state === 'failed', 'the router knows');
    expect(status().progress.message).toContain('ran out of memory');
  });

  test('a conversation goes on after its container was stopped and started, in another one', async () => {
    const conversation = await bob.converse();
    await bob.ask('My fish is a pike.', conversation);
    const { Id } = await bob.container();
    expect((await stopRunner(bob)).status).toBe(200);
    expect(await hosted.containers()).toHaveLength(1);
    expect((await bob.person.request(`/api/runners/${runtime.name}/start`, { method: 'POST' })).status).toBe(200);
    expect((await bob.container()).Id).not.toBe(Id);
    await bob.ask('Which fish is it?', conversation);
    expect(hosted.told()).toContain('My fish is a pike.');
    expect((await stopRunner(bob)).status).toBe(200);
    expect(await hosted.containers()).toHaveLength(1);
  });

  test('a conversation goes on after its idle container was reaped, in another one', async () => {
    const conversation = await alice.converse();
    await alice.ask('My tree is a larch.', conversation);
    await alice.setIdleSeconds(1);
    await until(async () => (await hosted.containers()).length === 0, 'the container is reaped', 60_000);
    await alice.setIdleSeconds(0);
    await alice.ask('Which tree is it?', conversation);
    expect(hosted.told()).toContain('My tree is a larch.');
    expect(await hosted.containers()).toHaveLength(1);
  });

  test('law 5: a conversation goes on after its container was removed by force', async () => {
    const conversation = await alice.converse();
    await alice.ask('My river is the Oder.', conversation);
    await docker.getContainer((await alice.container()).Id).remove({ force: true });
    await until(() => !alice.isWarm(), 'the router knows');
    expect(await alice.ask('Which river is it?', conversation)).toBe(HELLO);
    expect(hosted.told()).toContain('My river is the Oder.');
  });

  test('law 2: after kill -9 of the router the same container answers, and none is left when it is stopped', async () => {
    const conversation = await alice.converse();
    await alice.ask('My stone is jasper.', conversation);
    const container = await alice.container();
    await hosted.router.stop();
    await using router = await startAgain(hosted);
    const openai = new OpenAI({ baseURL: `${router.url}/v1`, apiKey: alice.apiKey, maxRetries: 0 });
    for (const content of ['Which stone is it?', 'And after a crash?']) {
      const messages = [{ role: 'user' as const, content }];
      const headers = { 'x-conversation-id': conversation };
      await openai.chat.completions.create({ ...asks, messages }, { headers });
      expect(hosted.told()).toContain('My stone is jasper.');
      await router.kill('SIGKILL');
      await router.start();
    }
    expect((await hosted.containers()).map(({ Id }) => Id)).toEqual([container.Id]);
    const again = await router.signIn(PEOPLE.alice);
    expect((await again.request(`/api/runners/${runtime.name}`, { method: 'DELETE' })).status).toBe(200);
    expect(await hosted.containers()).toEqual([]);
  });
}

/** An answer for a client that leaves after the first word. `gate` holds the rest back. */
function* storyFor({ endsCall }: RealRuntime, gate: Promise<void>): Generator<string | Promise<unknown>> {
  yield 'Once';
  yield gate;
  // A runtime may read a piece before it reads that its client is gone, so there is always a next one.
  while (endsCall === 'with the next piece') {
    yield ' upon';
    yield Bun.sleep(PACE_MS);
  }
}

/** The environments of all processes of a container, as the host sees them. */
async function environmentsIn(container: string): Promise<string> {
  const { Titles, Processes } = await docker.getContainer(container).top();
  const pids = Processes.map((columns: string[]) => columns[Titles.indexOf('PID')]);
  // A process may have ended meanwhile.
  const read = await Promise.allSettled(pids.map((pid: string) => readFile(`/proc/${pid}/environ`, 'utf8')));
  return read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])).join('\n');
}

async function filesIn(folder: string): Promise<string[]> {
  return Array.fromAsync(new Bun.Glob('**/*').scan({ cwd: folder, dot: true }));
}

/** The files below a folder that contain `text`, of any kind. */
async function filesWith(text: string, folder: string): Promise<string[]> {
  const found = await Bun.$`grep --recursive --files-with-matches --fixed-strings -e ${text} ${folder}`
    .nothrow()
    .quiet();
  return found.stdout.toString().split('\n').filter(Boolean);
}
