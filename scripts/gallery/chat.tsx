/** The pages of conversations in the gallery. */
import type { VNode } from 'preact';
import * as fixtures from '../../tests/views/fixtures';
import { ChatPage } from '../../views/chat/page';
import { renderPlain } from '../../views/markup';
import type { ConversationView, MessageView, RunnerView } from '../../views/models';

const agent = fixtures.agent({ current: true, description: fixtures.shell().agents[0]?.description ?? '' });

export const chatPages: Record<string, () => VNode> = {
  conversation: () => chat({ earlierHref: '/conversations/c1?before=1' }),
  unsaved: () => chat({ isUnsaved: true }),
  starting: () =>
    chat({
      streamingId: 'm4',
      messages: [
        fixtures.userMessage('m3', '用中文写一首关于服务器的诗。\n\nTwo lines, please 🎉'),
        fixtures.message({
          id: 'm4',
          text: '',
          status: 'streaming',
          progress: { percent: 40, message: 'Pulling the image, 312 of 780 MB' },
        }),
      ],
    }),
  streaming: () =>
    chat({
      streamingId: 'm4',
      messages: [
        fixtures.userMessage('m3', 'How do I relay a stream without touching a byte?'),
        fixtures.message({ id: 'm4', text: fixtures.longAnswer.slice(0, 900), status: 'streaming' }),
      ],
    }),
  attachments: () => chat({ messages: [fixtures.messageWithFiles('m3'), fixtures.message({ text: 'Three files.' })] }),
  endings: () => chat({ messages: endings() }),
  missing: () =>
    chat({
      messages: [
        fixtures.userMessage('m1', 'What can you do?'),
        fixtures.message({ text: '', status: 'failed', missing: fixtures.missing }),
      ],
    }),
  new: () => (
    <ChatPage
      shell={fixtures.shell()}
      agent={agent}
      composer={fixtures.composer}
      missing={['LLM_API_KEY', 'LLM_MODEL']}
    />
  ),
  'new-disabled': () => (
    <ChatPage shell={fixtures.shell()} agent={{ ...agent, disabled: true }} composer={fixtures.composer} />
  ),
  'new-unavailable': () =>
    withRunner({
      unavailable: {
        platform: 'Docker',
        message: 'The engine does not answer: connect ENOENT /var/run/docker.sock.',
        hint: 'Is the Docker engine running, and may this user open its socket? Try: docker version',
      },
    }),
  'new-unavailable-user': () => withRunner({ unavailable: { platform: 'Docker' } }),
  'new-image-failed': () =>
    withRunner({
      image: {
        state: 'failed',
        message: 'The image agent-stack/nanobot:0.3.0 has not been built on this machine yet.',
        hint: 'In the folder of agent-stack: docker build -t agent-stack/nanobot:0.3.0 images/nanobot',
      },
    }),
  'new-image-pulling': () => withRunner({ image: { state: 'pulling' } }),
  refused: () => (
    <ChatPage
      shell={fixtures.shell('c1')}
      agent={agent}
      conversation={fixtures.conversation({ messages: [] })}
      composer={{ ...fixtures.composer, text: 'one\ntwo\nthree', error: 'At most 200,000 characters' }}
    />
  ),
};

export function chat(overrides: Partial<ConversationView>): VNode {
  return (
    <ChatPage
      shell={fixtures.shell('c1')}
      agent={agent}
      conversation={fixtures.conversation({ liveUrl: '/silent', ...overrides })}
      composer={fixtures.composer}
    />
  );
}

/** The beginning of a conversation with an agent that is last in the sidebar. */
function withRunner(state: Partial<RunnerView>): VNode {
  const { agents, ...shell } = fixtures.shell();
  const runner: RunnerView = { agentId: 'a1', state: 'stopped', ...state };
  const [first, ...others] = agents.map((one) => (one.agentId === 'a1' ? { ...one, runner } : one));
  const last = first ? [first] : [];
  return (
    <ChatPage
      shell={{ ...shell, agents: [...others, ...last] }}
      agent={{ ...agent, runner }}
      composer={fixtures.composer}
      missing={['LLM_API_KEY']}
    />
  );
}

function endings(): MessageView[] {
  const failed = { text: '', status: 'failed' as const };
  return [
    fixtures.userMessage('m1', 'Show me all the ways in which an answer can end.'),
    fixtures.message({ id: 'm2', text: 'This one is simply **done**.' }),
    fixtures.message({ id: 'm20', role: 'notice', isCallback: true, text: `Step 3 of 5: \`${'long/'.repeat(30)}\`` }),
    fixtures.message({ id: 'm21', isCallback: true, text: 'This one came **unasked**.' }),
    { ...fixtures.userMessage('m9', 'A message of many pages. '.repeat(20)), wholeHref: '/messages/m9/text' },
    fixtures.message({
      id: 'm10',
      text: 'This one is **much longer** than a page shows',
      wholeHref: '/messages/m10/text',
    }),
    fixtures.message({
      id: 'm11',
      html: renderPlain(`This one took **too long** to render:\n\n\t${'wide '.repeat(60)}`),
    }),
    fixtures.message({ id: 'm3', text: 'This one was going to', status: 'stopped' }),
    fixtures.message({
      id: 'm7',
      text: '',
      retryable: false,
      calls: [fixtures.tool('m7-call-0', 'get_weather', '{\n  "city": "Paris"\n}')],
    }),
    fixtures.message({
      id: 'm8',
      text: 'This one looks *two things* up.',
      retryable: false,
      steps: [
        fixtures.thought('m8-step-0', 'Which **two** things? '.repeat(30)),
        { ...fixtures.tool('m8-step-1', 'terminal', 'ls -la', 'total 0'), tookMs: 1_200 },
      ],
      calls: [
        fixtures.tool('m8-call-0', 'get_weather', '{"city": "Paris"}', '21 °C, sunny'),
        fixtures.tool('m8-call-1', `find_${'a_very_long_name_'.repeat(9)}`, ''),
      ],
      facts: { tookMs: 8_300, models: ['gpt-4.1-mini'], tokens: 1_234, cost: 0.0042 },
    }),
    fixtures.message({
      id: 'm12',
      text: 'This one uses *many things*, and one of them is not there.',
      steps: [
        fixtures.thought('m12-step-0', 'What is there?'),
        ...Array.from({ length: 11 }, (_, n) => ({
          ...fixtures.tool(`m12-step-${n + 1}`, 'read_file', `{"file": "notes/${n}.md"}`, `${n} lines`),
          tookMs: 2_400,
          ...(n === 4 && { wrong: 'failed' as const }),
        })),
      ],
      fold: { tools: 11, failed: 1, tookMs: 34_700 },
    }),
    fixtures.message({ id: 'm13', text: 'This one was stopped by', incomplete: 'content_filter' }),
    fixtures.message({
      id: 'm14',
      text: 'This one was longer than its model may',
      incomplete: 'length',
      goOnAction: '/conversations/c1/messages',
    }),
    fixtures.message({ id: 'm4', ...failed, text: 'This one was cut off by a restart and', interrupted: true }),
    fixtures.message({
      id: 'm5',
      ...failed,
      error: {
        message: 'OpenClaw has no API key to call the model with.',
        hint: 'Add one for all agents, or for OpenClaw alone.',
        action: { href: '/settings#credentials', label: 'Add credentials' },
      },
    }),
    fixtures.message({ id: 'm6', text: '', status: 'streaming' }),
  ];
}
