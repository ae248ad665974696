import { describe, expect, test } from 'bun:test';
import type { VNode } from 'preact';
import { Composer } from '../../views/chat/composer';
import {
  LiveAnnouncement,
  LiveComposerActions,
  LiveMessageAppend,
  LiveMessageAround,
  LiveMessageReplace,
} from '../../views/chat/live';
import { Message } from '../../views/chat/message/message';
import { LiveConversationLink, LiveRunner } from '../../views/chat/sidebar/live';
import type { MessageView, RunnerState, RunnerView } from '../../views/models';
import { renderPart } from '../../views/render';
import { Availability } from '../../views/runners/availability';
import { RunnerBadge, RunnerPanel } from '../../views/runners/runner';
import { all } from './dom';
import { composer, message, thought, tool, userMessage } from './fixtures';

const html = (part: VNode) => renderPart(part, { locale: 'en' });
const answer = (overrides: Partial<MessageView>) => html(<Message message={message(overrides)} />);
const streaming = { status: 'streaming', text: '' } as const;

describe('a message', () => {
  test('has one stable id whatever its state', async () => {
    const states = [
      html(<Message message={userMessage('m2', 'hi')} />),
      answer({}),
      answer(streaming),
      answer({ status: 'failed' }),
      answer({ status: 'stopped' }),
    ];
    for (const state of states) expect(await all(state, 'article#message-m2')).toHaveLength(1);
  });

  test('from a user is plain text', async () => {
    const part = html(<Message message={userMessage('m1', '<b>**x**</b>')} />);
    expect(await all(part, 'b, strong')).toEqual([]);
    expect((await all(part, '.bubble'))[0]?.text).toBe('<b>**x**</b>');
  });

  test('that grows is busy, and what is said around its text leaves the text alone', async () => {
    const part = answer({ status: 'streaming', text: 'one\n\ntwo\n\nthree' });
    expect((await all(part, 'article'))[0]?.attributes['aria-busy']).toBe('true');
    expect((await all(part, '#message-m2-text[hx-morph-skip-children] p')).map((p) => p.text)).toEqual([
      ...['one', 'two', 'three'],
    ]);
    expect(await all(part, '.actions')).toEqual([]);
  });

  test('shows the start of the runner in the place of its text', async () => {
    const part = answer({ ...streaming, progress: { percent: 40, message: 'Pulling the image' } });
    const [progress] = await all(part, '.waiting progress');
    expect(progress?.attributes).toMatchObject({ max: '100', value: '40' });
    const unknown = await all(answer({ ...streaming, progress: { message: 'Waiting' } }), 'progress');
    expect(unknown[0]?.attributes.value).toBeUndefined();
  });

  test('that failed shows the output of a program by itself, and its words in the language of the reader', async () => {
    const hint =
      'Is the program installed, executable, and on the PATH of the driver?\nIts last output:\nline 1\n  line 2';
    const failed = message({ status: 'failed', error: { message: 'It ended.', hint } });
    const part = renderPart(<Message message={failed} />, { locale: 'zh' });
    expect(part).toContain('>line 1\n  line 2</pre>');
    expect(part).toContain('它最后的输出：');
    expect(part).not.toContain('Is the program installed');
    const bare = answer({ status: 'failed', error: { message: 'It ended.', hint: 'Send the message again.' } });
    expect((await all(bare, '.notice-body > p')).map(({ text }) => text)).toEqual([
      ...['It ended.', 'Send the message again.'],
    ]);
    expect(await all(bare, 'pre')).toEqual([]);
  });

  test('that ended without a word says so, unless it called something or still grows', async () => {
    const says = async (part: string) => (await all(part, '.note')).map(({ text }) => text);
    const call = tool('c1', 'get_weather', '{}');
    expect(await says(answer({ text: '' }))).toEqual(['The agent ended without an answer.']);
    expect(await says(answer({ text: '', calls: [call] }))).toEqual([]);
    expect(await says(answer({ text: 'Words' }))).toEqual([]);
    expect(await says(answer(streaming))).toEqual([]);
  });

  test('that its model cut says by what, and offers to go on only where it is the newest', async () => {
    const part = answer({ incomplete: 'length', goOnAction: '/conversations/c1/messages', text: '' });
    expect((await all(part, '.note')).map(({ text }) => text)).toEqual([
      'The answer was cut: it reached the limit of tokens.',
    ]);
    expect((await all(part, '.go-on')).map(({ attributes }) => attributes.action)).toEqual([
      '/conversations/c1/messages',
    ]);
    expect(await all(answer({ incomplete: 'length' }), '.go-on')).toEqual([]);
  });

  test('that took many steps has them behind one line, which says what goes on now', async () => {
    const steps = Array.from({ length: 6 }, (_, n) => tool(`m2-step-${n}`, 'read_file', '{}'));
    const line = async (fold: NonNullable<MessageView['fold']>) =>
      (await all(answer({ steps, fold }), '.steps > .steps-fold:first-child summary'))[0]?.text;
    expect(await line({ tools: 6, failed: 0 })).toBe('Used 6 tools');
    expect(await line({ tools: 6, failed: 2, tookMs: 34_200 })).toBe('Used 6 tools · 34 s · 2 failed');
    expect(await line({ tools: 1, failed: 0, now: '<b>x</b>' })).toBe('Used 1 tool · Using <b>x</b>');
    expect(await line({ failed: 0, now: '' })).toBe('Thought · Thinking…');
    expect(await line({ tools: 0, failed: 0, now: 'grep' })).toBe('Using grep');
    expect(await line({ tools: 0, failed: 0, tookMs: 2_000, now: '' })).toBe('Thinking… · 2 s');
    expect(await line({ tools: 6, failed: 1, isCut: true })).toBe('Used 6 tools · 1 failed · cut');
  });

  test('that is done can be copied as Markdown', async () => {
    const part = answer({ text: '**x** & <y>' });
    expect((await all(part, 'button'))[0]?.attributes['data-copy-from']).toBe('/messages/m2/text');
    expect((await all(part, 'article'))[0]?.attributes['aria-busy']).toBeUndefined();
  });

  test('that only calls tools shows each with its input and its result, as text', async () => {
    const calls = [
      tool('m2-call-0', 'get_weather', '{"city": "<i>Rome</i>"}', '21 °C'),
      tool('m2-call-1', '<b>x</b>', ''),
    ];
    const part = answer({ text: '', retryable: false, calls });
    expect((await all(part, '.step summary, .step-line')).map(({ text }) => text)).toEqual([
      'Used get_weather',
      'Used <b>x</b>',
    ]);
    expect((await all(part, '.step pre')).map(({ text }) => text)).toEqual(['{"city": "<i>Rome</i>"}', '21 °C']);
    expect(await all(part, 'b, i, .prose, [data-copy-from]')).toEqual([]);
  });

  test('shows its thoughts folded with their time, and unfolded while they go on', async () => {
    const step = thought('m2-step-0', 'Hm.');
    const [folded] = await all(answer({ steps: [step] }), '.step details');
    expect(folded?.attributes.open).toBeUndefined();
    expect((await all(answer({ steps: [step] }), '.step summary'))[0]?.text).toBe('Thought for 8 s');
    const goesOn = answer({ status: 'streaming', steps: [{ ...step, goesOn: true }] });
    expect((await all(goesOn, '.step details'))[0]?.attributes.open).toBeDefined();
    expect((await all(goesOn, '.step summary'))[0]?.text).toBe('Thinking…');
  });

  test('says which model wrote it, for how many tokens, how long and at what cost, as far as that is known', async () => {
    const facts = { tookMs: 8_300, models: ['gpt-4.1-mini'], tokens: 1_234, cost: 0.5 };
    expect((await all(answer({ facts }), '.facts'))[0]?.text).toBe('gpt-4.1-mini · 1,234 tokens · 8 s · cost 0.50');
    expect((await all(answer({ facts: { tookMs: 300, models: [] } }), '.facts'))[0]?.text).toBe('0.3 s');
  });

  test('can be asked for again once, whatever became of it', async () => {
    const retries = async (part: string) => (await all(part, 'form')).map((form) => form.attributes.action);
    expect(await retries(answer({ retryable: true }))).toEqual(['/messages/m2/retry']);
    expect(await retries(answer({ retryable: true, status: 'failed', text: '' }))).toEqual(['/messages/m2/retry']);
    expect(await retries(answer({ retryable: false, status: 'failed' }))).toEqual(['/messages/m2/retry']);
  });

  test('that failed says why, what helps and where to go', async () => {
    const error = { message: 'No key.', hint: 'Add one.', action: { href: '/settings#credentials', label: 'Add' } };
    const part = answer({ status: 'failed', text: '', error });
    const [notice] = await all(part, '.notice');
    for (const word of ['No key.', 'Add one.']) expect(notice?.text).toContain(word);
    expect((await all(part, '.notice a'))[0]?.attributes.href).toBe('/settings#credentials');
  });

  test('law 17: that was interrupted says so and keeps its text', async () => {
    const part = answer({ status: 'failed', text: 'half of it', interrupted: true });
    expect((await all(part, '.prose'))[0]?.text).toBe('half of it');
    expect((await all(part, '.notice'))[0]?.text).toContain('interrupted');
  });
});

describe('a runner', () => {
  const states: [RunnerState, string][] = [
    ['stopped', 'asleep'],
    ['starting', 'waking up'],
    ['running', 'awake'],
    ['stopping', 'falling asleep'],
    ['failed', 'failed'],
    ['unknown', 'out of reach'],
  ];

  test.each(states)('says its state in a word: %s', async (state, word) => {
    const [badge] = await all(html(<RunnerBadge runner={{ agentId: 'a1', state }} />), '#runner-a1');
    expect(badge?.text).toBe(word);
  });

  test('can be stopped when it is up, started when it is not, and neither while it stops', async () => {
    const action = async (state: RunnerState) => {
      const forms = await all(html(<RunnerPanel runner={{ agentId: 'a1', state }} />), 'form');
      return forms.map((form) => form.attributes.action);
    };
    for (const state of ['running', 'starting'] as const)
      expect(await action(state)).toEqual(['/agents/a1/runner/stop']);
    for (const state of ['stopped', 'failed'] as const) expect(await action(state)).toEqual(['/agents/a1/runner']);
    expect(await action('stopping')).toEqual([]);
  });
});

describe('the composer', () => {
  test('keeps what was typed and gives the reason when it was refused', async () => {
    const part = html(
      <Composer
        agentId="a1"
        agentName="A"
        conversationId="c1"
        composer={{ ...composer, text: 'a <b>', error: 'Too long.' }}
      />,
    );
    expect((await all(part, 'textarea'))[0]?.text).toBe('a <b>');
    expect((await all(part, '#composer-error[role="alert"]'))[0]?.text).toBe('Too long.');
    expect((await all(part, '#composer-form'))[0]?.attributes['hx-post']).toBe('/conversations/c1/messages');
  });

  test('begins a conversation in its place, and as an ordinary form without scripts', async () => {
    const part = html(<Composer agentId="a1" agentName="A" composer={composer} />);
    const [form] = await all(part, '#composer-form');
    const place = '/agents/a1/conversations';
    expect(form?.attributes).toMatchObject({
      action: place,
      method: 'post',
      'hx-post': place,
      'hx-target': '#composer',
    });
  });

  test('has a place for files where the agent takes them', async () => {
    const without = html(<Composer agentId="a1" agentName="A" composer={composer} />);
    expect(await all(without, 'input[type="file"]')).toEqual([]);
    const attach = { countMax: 3, bytesMax: 2_048 };
    const part = html(<Composer agentId="a1" agentName="A" attach={attach} composer={composer} />);
    const [input] = await all(part, '#composer-form[enctype="multipart/form-data"] input[type="file"]');
    expect(input?.attributes).toMatchObject({ name: 'files', 'data-count-max': '3', 'data-bytes-max': '2048' });
  });
});

describe('an agent that cannot start', () => {
  const unavailable = { platform: 'Docker', message: 'The engine is away.', hint: 'Try: docker version' };
  const runner = { agentId: 'a1', state: 'stopped', unavailable } as const;

  test('says what it needs in its badge, and offers no start', async () => {
    expect((await all(html(<RunnerBadge runner={runner} />), '#runner-a1'))[0]?.text).toBe('needs Docker');
    const nameless = { ...runner, unavailable: {} };
    expect((await all(html(<RunnerBadge runner={nameless} />), '#runner-a1'))[0]?.text).toBe('not available');
    expect(await all(html(<RunnerPanel runner={runner} />), 'form')).toEqual([]);
  });

  test('shows reason and remedy to the administrator, and a message to everybody else', async () => {
    const notice = async (view: RunnerView) => (await all(html(<Availability runner={view} />), '#unavailable'))[0];
    expect((await notice(runner))?.text).toMatch(/install it, or start it.*The engine is away\.\s+Try: docker version/);
    const forUser = await notice({ ...runner, unavailable: { platform: 'Docker' } });
    expect(forUser?.text).toContain('Ask an administrator.');
    expect(forUser?.text).not.toContain('nstall');
  });

  test('may be written to all the same when it is only its image that is not there', async () => {
    for (const image of [{ state: 'pulling' }, { state: 'failed', message: 'Not built.' }] as const) {
      const shown = html(<Availability runner={{ agentId: 'a1', state: 'stopped', image }} />);
      expect(await all(shown, '#unavailable')).toEqual([]);
      expect((await all(shown, 'p')).length).toBeGreaterThan(0);
    }
    expect(html(<Availability runner={{ agentId: 'a1', state: 'stopped' }} />)).toEndWith('role="status"></div>');
  });
});

describe('a live update', () => {
  const targets = async (part: VNode) =>
    (await all(html(part), 'hx-partial')).map(({ attributes }) => [attributes['hx-target'], attributes['hx-swap']]);

  test('consists of partials only, each with the part it goes to', async () => {
    const one = message({});
    expect(await targets(<LiveMessageAppend message={one} />)).toEqual([['#messages', 'beforeend']]);
    expect(await targets(<LiveMessageAround message={one} />)).toEqual([['#message-m2', 'outerMorph']]);
    expect(await targets(<LiveMessageReplace message={one} />)).toEqual([['#message-m2', 'outerHTML']]);
    expect(await targets(<LiveAnnouncement status="done" />)).toEqual([['#status', 'innerHTML']]);
    expect(await targets(<LiveComposerActions />)).toEqual([['#composer-actions', 'outerHTML']]);
    expect(await targets(<LiveRunner runner={{ agentId: 'a1', state: 'running' }} />)).toEqual([
      ['#runner-a1', 'outerHTML'],
      ['#runner-bar-a1', 'outerHTML'],
      ['#runner-panel-a1', 'outerMorph'],
      ['#availability-a1', 'innerMorph'],
    ]);
  });

  test('of a message is what a reload has', () => {
    for (const part of [<LiveMessageAround message={message({})} />, <LiveMessageReplace message={message({})} />]) {
      expect(html(part)).toContain(answer({}));
    }
  });

  test('says how an answer ended', async () => {
    for (const [status, words] of [
      ['done', 'Answer finished'],
      ['stopped', 'Answer stopped'],
      ['failed', 'Answer failed'],
      ['incomplete', 'Answer cut'],
    ] as const) {
      const partials = await all(html(<LiveAnnouncement status={status} />), 'hx-partial');
      expect(partials.at(-1)?.text).toBe(words);
    }
  });

  test('offers Stop exactly while an answer grows', async () => {
    const [form] = await all(html(<LiveComposerActions streamingId="m2" />), '#composer-actions form');
    expect(form?.attributes.action).toBe('/messages/m2/stop');
    expect(await all(html(<LiveComposerActions />), '#composer-actions [form="composer-form"]')).toHaveLength(1);
  });

  test('of a conversation changes the title only where it is the open one', async () => {
    const link = {
      id: 'c1',
      title: 'A & B',
      agent: { id: 'a1', name: 'A' },
      atMs: 0,
      streaming: false,
      unread: false,
      shelf: 'list' as const,
    };
    const open = html(<LiveConversationLink conversation={{ ...link, current: true }} />);
    expect((await all(open, '#conversation-title'))[0]?.text).toBe('A & B');
    expect((await all(open, 'title'))[0]?.text).toStartWith('A & B');
    const other = html(<LiveConversationLink conversation={{ ...link, current: false }} />);
    expect(await all(other, 'h1, title')).toEqual([]);
  });

  test('cannot be forged by the text of a message', async () => {
    const text = '</hx-partial><hx-partial hx-target="body"><title>x</title>';
    for (const role of ['user', 'assistant'] as const) {
      const part = <LiveMessageAppend message={message({ role, text })} />;
      expect(await targets(part)).toEqual([['#messages', 'beforeend']]);
      expect(await all(html(part), 'title')).toEqual([]);
    }
  });
});
