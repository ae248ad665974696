/**
 * Kills containers, engine and router in turn while two people talk to their agents: no finished message is lost, and
 * no container is left over. Uses an engine of the test's own, with the demo agent in its containers.
 */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containedBackend } from '../support/contained';
import { type OwnEngine, requireOwnEngine, startOwnEngine } from '../support/dockerd';
import { testImage } from '../support/image';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';
import { newestAnswer, sendMessage, startConversation } from './chat';

/** Only ends a failed test: an engine starts slowly on a busy machine. */
setDefaultTimeout(180_000);
const patienceMs = 60_000;
/** After a refusal, people try again after a moment. */
const breathMs = 250;

const isThere = requireOwnEngine('outages of an engine');

describe.skipIf(!isThere)('while two people talk to their agents', () => {
  let engine: OwnEngine;
  let router: RouterProcess;
  let seeds: string;
  let talks: readonly Talk[];
  const leaving = new AbortController();

  beforeAll(async () => {
    engine = await startOwnEngine();
    seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
    const backend = await containedBackend('demo', { image: await testImage(engine.docker), seeds });
    router = await startRouterProcess({ backends: [backend], env: { SEEDS_ROOT: seeds, DOCKER_HOST: engine.host } });
    talks = await Promise.all(
      [PEOPLE.alice, PEOPLE.bob].map(async (who) => talk(await router.signIn(who), leaving.signal)),
    );
    await answeredTwice();
  });
  afterAll(async () => {
    leaving.abort();
    await router[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    await rm(seeds, { recursive: true, force: true });
  });

  const containers = () =>
    engine.docker.listContainers({ all: true, filters: { label: ['agent-stack.installation'] } });
  const everybody = (what: string, check: (one: Talk) => boolean) =>
    until(() => talks.every(check), `everybody ${what}`, patienceMs);
  const waiting = () => everybody('waits for an answer', ({ isWaiting }) => isWaiting);
  /** The first of the two may have been sent before. */
  const answeredTwice = () => more('has two more answers', 2, ({ finished }) => finished.length);
  const refused = () => more('has seen a failure', 1, ({ failedCount }) => failedCount);
  const more = (what: string, count: number, of: (one: Talk) => number) => {
    const before = new Map(talks.map((one) => [one, of(one)]));
    return everybody(what, (one) => of(one) >= (before.get(one) ?? 0) + count);
  };

  test('law 5: containers that are killed are replaced', async () => {
    await waiting();
    const before = await containers();
    expect(before).toHaveLength(2);
    await Promise.all(before.map(({ Id }) => engine.docker.getContainer(Id).kill()));
    await answeredTwice();
    await waiting();
    await Promise.all((await containers()).map(({ Id }) => engine.docker.getContainer(Id).remove({ force: true })));
    await answeredTwice();
    const after = await containers();
    expect(after).toHaveLength(2);
    expect(after.filter(({ Id }) => before.some((one) => one.Id === Id))).toEqual([]);
  });

  test('law 5: an engine that is killed takes the agents away until it is back', async () => {
    await waiting();
    const failure = refused();
    await engine.kill();
    await failure;
    await engine.start();
    await answeredTwice();
  });

  test('law 2: a router that is killed takes its containers back', async () => {
    await waiting();
    const before = await containers();
    await router.kill('SIGKILL');
    await router.start();
    await answeredTwice();
    expect((await containers()).map(({ Id }) => Id).sort()).toEqual(before.map(({ Id }) => Id).sort());
  });

  test('law 2: a router that starts without its engine adopts or removes the runners when the engine answers', async () => {
    await waiting();
    await Promise.all([engine.kill(), router.kill('SIGKILL')]);
    await router.start();
    await refused();
    await engine.start();
    await answeredTwice();
  });

  test('law 17: every message and every finished answer of all that time is there, once and in its order', async () => {
    leaving.abort();
    await Promise.all(talks.map(({ ended }) => ended));
    for (const { path, taken, finished } of talks) {
      const messages = messagesOf(router, path.split('/').at(-1) ?? '');
      expect(messages.flatMap(({ role, content }) => (role === 'user' ? [content] : []))).toEqual([...taken]);
      expect(messages.filter(({ status }) => status === 'streaming')).toEqual([]);
      for (const { asked, text } of finished) {
        expect(asked).toBe(`slow ${text}`);
        const index = messages.findIndex(({ content }) => content === asked);
        expect(messages[index + 1]).toEqual({ role: 'assistant', content: text, status: 'done' });
      }
    }
  });

  test('law 6: one container is left for each of them, and none when those are stopped', async () => {
    const left = await containers();
    expect(new Set(left.map(({ Labels }) => Labels['agent-stack.agent'])).size).toBe(2);
    expect(left.map(({ State }) => State)).toEqual(['running', 'running']);
    for (const { who } of talks) {
      expect((await who.request('/api/runners/demo', { method: 'DELETE' })).status).toBe(200);
    }
    expect(await containers()).toEqual([]);
  });
});

interface Talk {
  readonly who: Browser;
  readonly path: string;
  /** The messages that the router accepted, oldest first. */
  readonly taken: readonly string[];
  /** The messages that the page showed as done. */
  readonly finished: readonly { readonly asked: string; readonly text: string }[];
  readonly failedCount: number;
  readonly isWaiting: boolean;
  readonly ended: Promise<void>;
}

/**
 * A person who asks, waits for the end of the answer and asks again, for about a second each, until `signal` aborts.
 */
async function talk(who: Browser, signal: AbortSignal): Promise<Talk> {
  const question = (count: number) => `slow it is number ${count} of a long way`;
  const path = await startConversation(who, 'demo', question(0));
  const state = {
    ...{ who, path, taken: [question(0)], finished: [] as Talk['finished'][number][] },
    ...{ failedCount: 0, isWaiting: true, ended: Promise.resolve() },
  };
  const converse = async () => {
    for (let count = 1; ; count += 1) {
      const { status, text = '' } = await until(() => endedAnswer(who, path), 'an answer ends', patienceMs);
      state.isWaiting = false;
      if (status === 'done') state.finished.push({ asked: state.taken.at(-1) ?? '', text });
      else state.failedCount += 1;
      if (signal.aborted) return;
      if (status !== 'done') await Bun.sleep(breathMs);
      const asked = question(count);
      await until(() => isTaken(who, path, asked), 'a message is taken', patienceMs);
      state.taken.push(asked);
      state.isWaiting = true;
    }
  };
  state.ended = converse();
  // Awaited at the end; until then the tests report failures.
  state.ended.catch(() => undefined);
  return state;
}

async function endedAnswer(who: Browser, path: string) {
  const shown = await newestAnswer(who, path).catch(() => undefined);
  return shown && shown.status !== '' && shown.status !== 'streaming' && shown;
}

/** A message that the router accepted without being able to say so is not sent again. */
async function isTaken(who: Browser, path: string, text: string): Promise<boolean> {
  try {
    const page = await (await who.request(path)).text();
    if (!page.includes(text)) await sendMessage(who, path, text);
    return true;
  } catch {
    await Bun.sleep(breathMs);
    return false;
  }
}

/** Read from the database on disk, without paging. */
function messagesOf({ dataRoot }: RouterProcess, conversation: string) {
  using database = new Database(join(dataRoot, 'router.db'), { readonly: true });
  return database
    .query<{ role: string; content: string; status: string }, [string]>(
      'SELECT role, content, status FROM messages WHERE conversation_id = ? ORDER BY position',
    )
    .all(conversation);
}
