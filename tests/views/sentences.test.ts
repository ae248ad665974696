/** The router's sentences in Chinese: each is one that it says, and each that every page can say is there. */
import { expect, test } from 'bun:test';
import backendsJson from '../../backends.json';
import { CODES } from '../../router/lib/errors';
import { zhSentences } from '../../views/locales/zh-sentences';
import { translate } from '../../views/sentences';

const root = `${import.meta.dir}/../..`;

const backends: readonly { description?: string; suggestions?: readonly string[] }[] = backendsJson;

/**
 * The string and template literals of the router and its drivers, with `{}` for each value; as sentences too, which the router
 * makes of what drivers say. And what agents say of themselves.
 */
async function literals(): Promise<Set<string>> {
  const found = new Set<string>();
  for (const { description = '', suggestions = [] } of backends)
    [description, ...suggestions].map((one) => found.add(one));
  for (const file of new Bun.Glob('{router,drivers}/**/*.{ts,tsx}').scanSync(root)) {
    const source = await Bun.file(`${root}/${file}`).text();
    for (const [, string, template] of source.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)) {
      const literal = (string ?? template ?? '').replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '{}');
      found.add(literal).add(`${literal.slice(0, 1).toUpperCase()}${literal.slice(1)}.`);
    }
  }
  return found;
}

test('each translated sentence is one that the router says', async () => {
  const said = await literals();
  expect(Object.keys(zhSentences).filter((sentence) => !said.has(sentence))).toEqual([]);
});

test('the sentence of each error code is translated', () => {
  const sentences = Object.values(CODES).map(({ message }) => message);
  expect(sentences.filter((sentence) => !(sentence in zhSentences))).toEqual([]);
});

test('values keep their place, or take the one of the other language', () => {
  expect(translate('zh', 'At least 8 characters')).toBe('至少 8 个字符');
  const long = 'Echo was started but did not become ready within 20 s (Echo answered 500).';
  expect(translate('zh', long)).toBe('Echo 已启动，但未能在 20 秒内就绪（Echo answered 500）。');
  // The reason inside of a sentence is one itself.
  expect(translate('zh', 'Echo could not start: it ended with exit code 1.')).toBe(
    'Echo 无法启动：它已结束，退出码 1。',
  );
  const inside = 'LLM_BASE_URL: That is the router itself. Set the address of an LLM API.';
  expect(translate('zh', inside)).toBe('LLM_BASE_URL：这是路由器自身的地址，请填写大模型 API 的地址。');
});

test('a sentence that is unknown stays as it is, and English stays English', () => {
  for (const sentence of ['Your quota is exceeded', '', '{}', 'At least characters']) {
    expect(translate('zh', sentence)).toBe(sentence);
  }
  expect(translate('en', 'Not your password')).toBe('Not your password');
});
