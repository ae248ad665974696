/** A real runtime speaks without being asked, with the command that its skill documents. */
import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from '../../../router/config/root';
import { shippedEntries } from '../../support/runtimes';
import type { Hosted } from './people';
import type { RealRuntime } from './runtimes';

/** The command for the shell that the AGENTS.md of the runtime's seed names, with a text for `<text>`. */
export async function sayCommand(runtime: Pick<RealRuntime, 'name'>, text: string): Promise<string> {
  const entry = shippedEntries.find(({ name }) => name === runtime.name);
  const agents = await readFile(
    join(repositoryRoot, 'seeds', String(entry?.seed_subdir), 'workspace/AGENTS.md'),
    'utf8',
  );
  const command = /^ {2}`(.*) '<text>'`/m.exec(agents)?.[1];
  if (command === undefined) throw new Error(`The AGENTS.md of ${runtime.name} names no command`);
  return `${command} ${text}`;
}

/** @param hostedOf the router, once it runs. */
export function testCallback(runtime: RealRuntime, hostedOf: () => Hosted): void {
  test('asked to, it speaks without being asked: a notice and a message, in the conversation that it answers in', async () => {
    const { upstream, alice, router } = hostedOf();
    const conversation = await alice.converse();
    await alice.converse();
    const notice = await sayCommand(runtime, "--notice 'Step 1 of 2'");
    const message = await sayCommand(runtime, "--id build-1 'The build is **done**.'");
    upstream.script(runtime.shell(`${notice} && ${message} && ${message}`), { pieces: ['I said it.'] });
    expect((await alice.ask('Build it, and tell me.', conversation)).trim()).toBe('I said it.');
    // Hermes Agent asks for a title after its answer.
    const told = JSON.stringify(upstream.requests.map(({ body }) => body.messages));
    expect(told).toContain(`Said in conversation ${conversation}`);
    const { messages } = await router.context.stores.conversations.shown(conversation, { limit: 10 });
    expect(messages.map(({ role, content }) => [role, content.trim()])).toEqual([
      ['user', 'Build it, and tell me.'],
      ['assistant', 'I said it.'],
      ['notice', 'Step 1 of 2'],
      ['assistant', 'The build is **done**.'],
    ]);
  });

  test('its model is told the command for it, and finds the skill', async () => {
    const { alice, told, upstream } = hostedOf();
    await alice.ask('Hello.', await alice.converse());
    expect(told()).toContain((await sayCommand(runtime, '')).trim());
    expect(JSON.stringify(upstream.requests.at(-1)?.body)).toContain('agent-stack');
  });
}
