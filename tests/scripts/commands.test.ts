/** The commands of an operator, as processes of their own: what they say to wrong arguments, and that they do nothing then. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { type Ran, runCommand } from '../support/command';
import { SETTINGS } from '../support/router';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const COMMANDS = ['admin', 'backup', 'restore', 'import', 'rotate-key', 'doctor'];
const dataRoot = join(tmpdir(), `agent-stack-none-${crypto.randomUUID()}`);

function run(command: string, ...args: string[]): Promise<Ran> {
  const env = { ...SETTINGS, STACK_DATA_ROOT: dataRoot, PATH: '' };
  return runCommand([process.execPath, join(repositoryRoot, `scripts/${command}.ts`), ...args], { env });
}

test.each(COMMANDS)('%s says how it is used, and does nothing for arguments that it does not know', async (command) => {
  const usage = expect.stringMatching(new RegExp(`^Usage, while [\\s\\S]*bun run ${command}`));
  expect(await run(command, '--help')).toEqual({ out: usage, errors: '', code: 0 });
  expect(await run(command, '--nonsense')).toEqual({ out: '', errors: usage, code: 1 });
  expect(await run(command, 'one', 'two', 'three')).toEqual({ out: '', errors: usage, code: 1 });
  expect(existsSync(dataRoot)).toBe(false);
});

test('bin/test says how it is used, and runs nothing for arguments that it does not know', async () => {
  const usage = expect.stringMatching(/^Usage: bin\/test \[--fast\]/);
  expect(await run('test', '--help')).toEqual({ out: usage, errors: '', code: 0 });
  for (const args of [['--fsat'], ['tests/accounts/sign-in.test.ts'], ['--fast', 'tests']]) {
    expect(await run('test', ...args)).toEqual({ out: '', errors: usage, code: 1 });
  }
});
