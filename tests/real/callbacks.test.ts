/** The demo agent speaks without being asked, as a process of its own, through the whole router. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';
import { startConversation } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

let router: RouterProcess;
let alice: Browser;
beforeAll(async () => {
  router = await startRouterProcess();
  alice = await router.signIn(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

async function saidIn(path: string): Promise<string[]> {
  const response = await alice.request(`/api${path}`);
  const { messages } = (await response.json()) as { messages: { role: string; content: string; status: string }[] };
  return messages.filter(({ status }) => status === 'done').map(({ role, content }) => `${role}: ${content}`);
}

test('asked for a reminder, the demo notes it at once and writes when the time is over, in that conversation', async () => {
  const path = await startConversation(alice, 'Demo', 'remind 1 Stretch your legs.');
  // A newer conversation gets nothing of it.
  const newer = await startConversation(alice, 'Demo', 'echo Hi.');
  await until(async () => (await saidIn(path)).length === 4, 'the reminder has come', 30_000);
  const said = await saidIn(path);
  expect(said).toContain('notice: A reminder is set, for 1 seconds from now.');
  expect(said.at(-1)).toBe('assistant: Stretch your legs.');
  expect(await saidIn(newer)).toEqual(['user: echo Hi.', 'assistant: Hi.']);
});
