/** An agent that does much for an answer: its steps are one line, which says how many they are and how many failed. */
import { afterAll, expect, test } from 'bun:test';
import { beginConversation } from '../support/chat';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { type ScriptedAnswer, scripted } from '../support/scripted';
import { event } from '../support/sse';
import { type Watch, watchStream } from '../support/watch';
import { all, textsOf } from '../views/dom';

const runner = scripted('many-steps');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const report = (data: object) => `event: hermes.tool.progress\n${event(data)}`;
const call = (n: number) => ({ tool: `tool_${n}`, toolCallId: `c${n}` });
const begun = (n: number) => report({ ...call(n), status: 'running', arguments: { n } });
const over = (n: number, more: object = {}) => report({ ...call(n), status: 'completed', result: `${n}`, ...more });
const thinks = (text: string) => event({ choices: [{ index: 0, delta: { reasoning_content: text } }] });

async function converse(text: string): Promise<{ id: string; messageId: string; answer: ScriptedAnswer }> {
  const id = await beginConversation(router, alice, 'scribe', text);
  const answer = await runner.next();
  const newest = await until(() => router.context.conversations.newest(id), 'the answer has begun');
  return { id, messageId: newest.id, answer };
}
const pageOf = async (id: string) => (await alice.request(`/conversations/${id}`)).text();

async function watch(id: string): Promise<Watch> {
  const url = /hx-sse:connect="([^"]+)"/.exec(await pageOf(id))?.[1]?.replaceAll('&amp;', '&') ?? '';
  return watchStream(router.url + url, { cookie: alice.cookie });
}

async function finish({ id, answer }: { id: string; answer: ScriptedAnswer }): Promise<string> {
  answer.say('So.');
  answer.finish();
  return until(async () => {
    const page = await pageOf(id);
    return page.includes('data-status="done"') ? page : undefined;
  }, 'the answer has ended');
}

/** The parts of an event that go to a place on the page. */
const partsTo = (target: string, data: string) => data.split(/(?=<hx-partial)/).filter((part) => part.includes(target));
/** What an event has the line say. */
const lineIn = (data: string) => /(?:^|<\/li>)<summary>(.*?)<\/summary>$/.exec(data)?.[1] ?? '';

test('four steps are shown one by one, and five are one line with the steps behind it', async () => {
  const few = await converse('four');
  for (let n = 1; n <= 4; n += 1) few.answer.raw(begun(n) + over(n));
  const fewPage = await finish(few);
  expect([(await all(fewPage, '.steps-fold')).length, (await all(fewPage, '.step')).length]).toEqual([0, 4]);

  const many = await converse('five');
  many.answer.raw(thinks('First of all.'));
  for (let n = 1; n <= 4; n += 1) many.answer.raw(begun(n) + over(n, { duration: 2.5 }));
  const page = await finish(many);
  expect((await all(page, '.steps-fold details[open]')).length).toBe(0);
  expect(await textsOf(page, '.steps-fold summary')).toEqual([expect.stringMatching(/^Used 4 tools · 10 s$/)]);
  expect((await textsOf(page, '.step summary')).map((text) => text.slice(0, 11))).toEqual([
    ...['Thought for', 'Used tool_1', 'Used tool_2', 'Used tool_3', 'Used tool_4'],
  ]);
});

test('a call that failed is marked, however its runtime says so, and the line counts it', async () => {
  const { id, answer } = await converse('failing');
  const ends = [
    {},
    { status: 'failed' },
    { is_error: true },
    { isError: true },
    { error: 'No such file.', result: undefined },
    { error: false },
    { error: null },
  ];
  for (const [n, more] of ends.entries()) answer.raw(begun(n) + over(n, more));
  const page = await finish({ id, answer });
  expect(await textsOf(page, '.steps-fold .step-failed')).toEqual(['· 4 failed']);
  const marked = (await textsOf(page, '.step summary')).map((text) => text.endsWith('failed'));
  expect(marked).toEqual([false, true, true, true, true, false, false]);
  expect(await textsOf(page, '.step pre')).toContain('No such file.');
  // The call failed, and not the answer.
  expect(await all(page, '[data-status="done"]')).toHaveLength(1);
});

test('calls of a client’s tools are one line as well', async () => {
  const { id, answer } = await converse('calls');
  const tool_calls = Array.from({ length: 25 }, (_, index) => ({
    ...{ index, id: `call_${index}`, type: 'function', function: { name: 'add', arguments: '{}' } },
  }));
  answer.raw(event({ choices: [{ index: 0, delta: { tool_calls } }] }));
  const page = await finish({ id, answer });
  expect(await textsOf(page, '.steps-fold summary')).toEqual(['Used 25 tools']);
});

test('five calls that are begun at once are no thought: the line names the last of them', async () => {
  const { id, messageId, answer } = await converse('parallel');
  await using page = await watch(id);
  await page.saw(`message-${messageId}`);
  for (let n = 1; n <= 5; n += 1) answer.raw(begun(n));
  const [line = ''] = partsTo(`fold-${messageId}`, await page.saw(`fold-${messageId}`));
  expect(line).toContain('Using <code dir="ltr">tool_5</code>');
  expect(line).not.toContain('Thought');
  answer.raw(over(3));
  expect(lineIn(await page.saw('Used 1 tool'))).toStartWith('Used 1 tool');
  await finish({ id, answer });
});

test('a thought without a word, which is hidden, does not make the steps many', async () => {
  const { id, messageId, answer } = await converse('blank');
  answer.raw(thinks('\n'));
  for (let n = 1; n <= 4; n += 1) answer.raw(begun(n) + over(n));
  await until(async () => (await pageOf(id)).includes('Used <code dir="ltr">tool_4'), 'the page has them');
  expect(await all(await pageOf(id), '.steps-fold')).toEqual([]);
  // A page that has five steps, and no line yet.
  await using page = await watch(id);
  answer.raw(begun(5));
  const parts = partsTo(`fold-${messageId}`, await page.saw(`fold-${messageId}`));
  expect(parts).toEqual([expect.stringContaining(`hx-target="#steps-${messageId}" hx-swap="afterbegin"`)]);
  await finish({ id, answer });
});

test('an open page gets the line with the fifth step, and from then on what it says', async () => {
  const { id, messageId, answer } = await converse('live');
  await using page = await watch(id);
  await page.saw(`message-${messageId}`);
  for (let n = 1; n <= 4; n += 1) {
    answer.raw(begun(n) + over(n));
    await page.saw(`Used <code dir="ltr">tool_${n}`);
  }
  expect(page.events.some(({ data }) => data.includes(`fold-${messageId}`))).toBe(false);
  answer.raw(begun(5));
  const folded = partsTo(`fold-${messageId}`, await page.saw(`fold-${messageId}`));
  expect(folded).toEqual([expect.stringContaining(`hx-target="#steps-${messageId}" hx-swap="afterbegin"`)]);
  // The newest steps are below the line, which counts those that are over.
  expect(folded[0]).toContain('Used 4 tools');
  expect(folded[0]).not.toContain('tool_5');
  answer.raw(over(5, { status: 'failed' }));
  expect(lineIn(await page.saw('1 failed'))).toStartWith('Used 5 tools');
  await finish({ id, answer });
});

test('while the steps are hidden below words, their line names what goes on', async () => {
  const { id, messageId, answer } = await converse('hidden');
  await using page = await watch(id);
  await page.saw(`message-${messageId}`);
  answer.say('I look at it.');
  for (let n = 1; n <= 5; n += 1) answer.raw(begun(n) + over(n));
  answer.raw(begun(6));
  expect(await page.saw('tool_6')).toContain(' · Using <code dir="ltr">tool_6</code>');
  expect(await textsOf(await pageOf(id), '.steps-fold summary')).toEqual([expect.stringMatching(/ · Using tool_6$/)]);
  answer.raw(over(6) + thinks('What now?'));
  expect(lineIn(await page.saw('Used 6 tools'))).toContain(' · Thinking…');
  const whole = await finish({ id, answer });
  expect(lineIn(await page.saw('<summary>Used 6 tools'))).not.toContain('Thinking');
  expect(await textsOf(whole, '.steps-fold summary')).toEqual([expect.not.stringContaining('Thinking')]);
});

test('a page that connects later has the line, and is sent no second one', async () => {
  const { id, messageId, answer } = await converse('late');
  for (let n = 1; n <= 6; n += 1) answer.raw(begun(n) + over(n));
  await until(async () => (await pageOf(id)).includes('Used 6 tools'), 'the page has them');
  await using page = await watch(id);
  answer.raw(begun(7) + over(7));
  const told = await page.saw('Used 7 tools');
  expect(lineIn(told)).toStartWith('Used 7 tools');
  expect(partsTo(`fold-${messageId}`, told)).toEqual([]);
  await finish({ id, answer });
});

test('behind the line a call comes once, when it is over, and those that follow it then', async () => {
  const { id, messageId, answer } = await converse('held');
  await using page = await watch(id);
  await page.saw(`message-${messageId}`);
  answer.say('I look at it.');
  for (let n = 1; n <= 5; n += 1) answer.raw(begun(n) + over(n));
  await page.saw('Used 5 tools');
  answer.raw(begun(6));
  expect(await page.saw('Using <code dir="ltr">tool_6')).not.toContain('<li');
  answer.raw(begun(7) + over(7));
  expect(await page.saw('Used 6 tools')).not.toContain('<li');
  // A page that was away meanwhile has the first five, and gets no second line.
  const seen = page.events.at(-1)?.id ?? '';
  expect(seen).toMatch(/\.5$/);
  await using back = await watchStream(`${router.url}/live?conversation=${id}&after=${seen}`, { cookie: alice.cookie });
  const told = await back.saw('Used 6 tools');
  expect([told.includes('<li'), told.includes('steps-fold')]).toEqual([false, false]);
  answer.raw(over(6));
  for (const one of [page, back]) {
    const rows = (await one.saw('Used 7 tools')).match(/<li id="step-\w+-\d" class="step">/g);
    expect(rows?.map((row) => row.slice(-16, -15))).toEqual(['5', '6']);
  }
  await finish({ id, answer });
});

test('a runtime that tells of no end has its calls come as they begin', async () => {
  const { id, messageId, answer } = await converse('no ends');
  await using page = await watch(id);
  await page.saw(`message-${messageId}`);
  answer.say('I look at it.');
  for (let n = 1; n <= 5; n += 1) answer.raw(begun(n));
  await page.saw(`fold-${messageId}`);
  answer.raw(begun(6));
  expect(await page.saw('tool_6')).toContain(`<li id="step-${messageId}-5" class="step growing">`);
  await finish({ id, answer });
});
