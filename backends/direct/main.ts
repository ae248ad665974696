/** The direct agent: the user's upstream model with the instructions and the memory that are in its home. */
import { join } from 'node:path';
import type { Message } from '../shared/openai';
import { readRunnerEnv, required } from '../shared/runner';
import { serveAgent } from '../shared/server';
import { connectModel } from './model';

const { home } = readRunnerEnv();
const model = connectModel({
  baseUrl: required('LLM_BASE_URL'),
  apiKey: required('LLM_API_KEY'),
  model: required('LLM_MODEL'),
});

serveAgent({
  name: 'direct',
  ready: Promise.resolve(),
  async *answer({ messages, ...turn }) {
    yield* model.complete({ ...turn, messages: [...(await instructions()), ...messages] });
  },
});

/**
 * `AGENTS.md` of the home and, behind it, `USER.md` if somebody wrote one: the first comes from the seed, at every start.
 * Read at each turn: an edit counts from the next message on.
 */
async function instructions(): Promise<Message[]> {
  const files = ['AGENTS.md', 'USER.md'].map((name) => Bun.file(join(home, name)));
  const texts = await Promise.all(files.map(async (file) => ((await file.exists()) ? (await file.text()).trim() : '')));
  const content = texts.filter((text) => text !== '').join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}
