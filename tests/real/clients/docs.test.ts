/** The examples for programs in docs/clients.md, pasted as a user would: they must work. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { backendsWithDemoEnv } from '../../support/process';
import { PEOPLE, startRouter, type TestRouter } from '../../support/router';

setDefaultTimeout(120_000);

const ROOT = join(import.meta.dir, '../../..');
/** The variable that a block defines, by its name there. */
const ANSWERS = { openai: 'answer.choices[0].message.content', ai: 'text', '@langchain/openai': 'text' };

let router: TestRouter;
let key: string;
beforeAll(async () => {
  router = await startRouter({ backends: (await backendsWithDemoEnv({})).filter(({ name }) => name === 'demo') });
  key = await (await router.person(PEOPLE.alice)).createKey();
});
afterAll(() => router[Symbol.asyncDispose]());

/** The one block of the page in this language that contains `part`, changed to this router. */
async function block(language: string, part: string): Promise<string> {
  const page = await Bun.file(join(ROOT, 'docs/clients.md')).text();
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)```$/gm)];
  const found = blocks.filter(([, name, text]) => name === language && text?.includes(part));
  expect([part, found.length]).toEqual([part, 1]);
  return (found[0]?.[2] ?? '').replaceAll('http://127.0.0.1:18000', router.url).replaceAll('sk-as-…', key);
}

async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: 'pipe', stderr: 'inherit' });
  const output = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return output;
}

test.each(Object.entries(ANSWERS))('the lines for %s get an answer', async (library, answer) => {
  const program = `${await block('ts', `from '${library}'`)}\nconsole.log(${answer});`;
  expect(await run([process.execPath, '--eval', program])).toStartWith('Hello');
});

test('the line for curl gets an answer', async () => {
  const answer = await run([
    'sh',
    '-c',
    (await block('sh', '/v1/chat/completions')).replace('curl ', 'curl --silent '),
  ]);
  expect(JSON.parse(answer).choices[0].message.content).toStartWith('Hello');
});

test('the lines for LibreChat are YAML with the members that it reads', async () => {
  const { endpoints } = Bun.YAML.parse(await block('yaml', 'endpoints:')) as { endpoints: { custom: object[] } };
  const models = { default: ['demo', 'direct'] };
  expect(endpoints.custom).toEqual([
    { name: 'agent-stack', baseURL: `${router.url}/v1`, apiKey: 'user_provided', models },
  ]);
});
