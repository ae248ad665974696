/** The end of `bin/test` names the failed tests, which it reads from reports. */
import { expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJunit } from '../support/junit';

const TESTS = `import { describe, expect, test } from 'bun:test';
test('it passes', () => {});
describe('outer', () => {
  test('"a < b" & \\'b > a\\'', () => expect(1).toBe(2));
  test.skip('it is skipped', () => {});
});
`;
const FILES = ['another.test.ts', 'some.test.ts'];
const PLAYWRIGHT = `<testsuites id="" tests="2" failures="1" skipped="0" errors="0">
<testsuite name="chat.spec.ts" tests="2" failures="1">
<testcase name="it answers" classname="chat.spec.ts" time="1.2">
</testcase>
<testcase name="it streams" classname="chat.spec.ts" time="2.5">
<failure message="chat.spec.ts:3:1 it streams" type="FAILURE">
<![CDATA[Error: timed out]]>
</failure>
</testcase>
</testsuite>
</testsuites>`;

test.each([
  ['bun test', []],
  ['bun test in two processes', ['--parallel=2', '--no-isolate']],
])('a report of %s tells the file and the name of each test, and how it ended', async (_, flags) => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-junit-'));
  try {
    for (const file of FILES) await writeFile(join(folder, file), TESTS);
    const command = [process.execPath, 'test', ...flags, '--reporter=junit', '--reporter-outfile=report.xml'];
    Bun.spawnSync(command, { cwd: folder, stdout: 'ignore', stderr: 'ignore' });
    const told = readJunit(await Bun.file(join(folder, 'report.xml')).text());
    expect(told.toSorted((one, other) => one.file.localeCompare(other.file))).toEqual(
      FILES.flatMap((file) => [
        { file, name: 'it passes', ended: 'passed' },
        { file, name: '"a < b" & \'b > a\'', ended: 'failed' },
        { file, name: 'it is skipped', ended: 'skipped' },
      ]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a report of Playwright tells the same', () => {
  expect(readJunit(PLAYWRIGHT)).toEqual([
    { file: 'chat.spec.ts', name: 'it answers', ended: 'passed' },
    { file: 'chat.spec.ts', name: 'it streams', ended: 'failed' },
  ]);
});

test('what is no report has no tests', () => {
  expect(readJunit('')).toEqual([]);
});
