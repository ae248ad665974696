/** The direct agent: calls the user's model, with the instructions and the sessions that are stored in the home. */
import { join } from 'node:path';
import { type Members, type Message, textOf } from '../shared/openai';
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
  async *answer(turn) {
    const { tools, functions } = turn.parameters;
    const hasTools = [tools, functions].some((list) => Array.isArray(list) && list.length > 0);
    yield* model.complete({ ...turn, messages: withSystem(await instructions(hasTools), turn.messages) });
  },
});

/**
 * Puts all system messages into one at the start, because the templates of many models refuse a second one or a later
 * one. The text of the home comes first, then that of the client.
 */
function withSystem(own: string, messages: readonly Message[]): readonly Message[] {
  const theirs = messages.filter(({ role }) => role === 'system');
  const others = messages.filter(({ role }) => role !== 'system');
  const [only] = theirs;
  if (own === '' && theirs.length === 1 && only) return [only, ...others];
  const said = [own, ...theirs.map(({ content }) => content)].filter(
    (content) => content != null && content.length > 0,
  );
  if (said.length === 0) return others;
  // A part may have members besides its text, for example cache control.
  const isPlain = said.every((content) => typeof content === 'string' || content?.every(isPlainText));
  const content = isPlain ? said.map(textOf).join('\n\n') : said.flatMap(partsOf);
  return [{ role: 'system', content }, ...others];
}

function isPlainText(part: Members): boolean {
  return part.type === 'text' && Object.keys(part).length === 2;
}

function partsOf(content: Message['content']): readonly Members[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
}

/**
 * Returns the text of `AGENTS.md` in the home, of `NO-TOOLS.md` if the client sends no tools, and of `USER.md` if it
 * exists. Read for each turn, so an edit applies to the next message.
 */
async function instructions(hasTools: boolean): Promise<string> {
  const names = ['AGENTS.md', ...(hasTools ? [] : ['NO-TOOLS.md']), 'USER.md'];
  const files = names.map((name) => Bun.file(join(home, name)));
  const texts = await Promise.all(files.map(async (file) => ((await file.exists()) ? (await file.text()).trim() : '')));
  return texts.filter((text) => text !== '').join('\n\n');
}
