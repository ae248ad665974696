// View models with awkward content, for the tests and for scripts/gallery.tsx.

import type { KeyView, YouView } from '../../views/accounts/models';
import type { StepView } from '../../views/chat/models';
import type { CredentialGroup, MissingView } from '../../views/credentials/models';
import { renderGrowing, renderMarkdown } from '../../views/markdown';
import type { AgentView, ConversationView, IdleView, MessageView, RunnerView, Shell } from '../../views/models';

/** 2026-08-04 09:30 UTC. */
export const atMs = Date.UTC(2026, 7, 4, 9, 30);

export const longAnswer = `A relay must hand on what it gets, **byte for byte**. Strip the hop-by-hop headers first:

\`\`\`ts
const hopByHop = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-authorization'];

/** Hands a runner's answer to the client untouched. */
export function relay(upstream: Response): Response {
  const headers = new Headers(upstream.headers);
  for (const name of hopByHop) headers.delete(name); // belongs to the hop
  return new Response(upstream.body, { status: upstream.status, headers });
}
\`\`\`

### A few things worth knowing

1. \`fetch\` already decompressed the body, so drop \`content-encoding\` **and** \`content-length\`.
2. Pass \`request.signal\`, otherwise a closed tab keeps the answer running.
   - It is aborted within a second.
   - The lease is released with it.
3. Never decode a chunk without \`{ stream: true }\`: 你好 and 🎉 span chunk borders.

| Header | Keep? | Why | Bytes |
|---|:-:|---|--:|
| \`content-type\` | yes | the client needs \`text/event-stream\` | 24 |
| \`transfer-encoding\` | no | belongs to the hop | 7 |
| \`set-cookie\` | no | runners must not set cookies on an origin that is not theirs | 1,204 |

> Rule of thumb: relay *bytes*, parse only on a copy. See [the decision](https://example.com/decisions/relay).

![A diagram of the relay](https://example.com/relay.png)

- [x] 中文内容：服务器把答案原样转发给客户端，不做任何修改。
- A word that never ends: ${'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'.repeat(2)}

\`\`\`
no language, and a line that is much wider than any phone: ${'0123456789 '.repeat(16)}
\`\`\``;

/** With its text rendered, as presenters do it. */
export function message(overrides: Partial<MessageView>): MessageView {
  const { text = 'All good.', status = 'done' } = overrides;
  const labels = { copyCode: 'copy-code' };
  return {
    ...(status === 'streaming' ? { growing: renderGrowing(text, labels) } : { html: renderMarkdown(text, labels) }),
    id: 'm2',
    position: 2,
    role: 'assistant',
    text: 'All good.',
    status: 'done',
    createdAtMs: atMs,
    agentName: 'OpenClaw',
    interrupted: false,
    retryable: true,
    ...overrides,
  };
}

export function thought(id: string, text: string): Extract<StepView, { kind: 'thought' }> {
  return { kind: 'thought', id, length: text.length, html: renderMarkdown(text), goesOn: false, tookMs: 8_300 };
}

export function tool(id: string, name: string, input: string, result?: string): StepView {
  return { kind: 'tool', id, name, arguments: input, ...(result !== undefined && { result }), goesOn: false };
}

export function userMessage(id: string, text: string): MessageView {
  return message({ id, role: 'user', text, retryable: false });
}

/** With pictures whose size is not known, and names that end nowhere. */
export function messageWithFiles(id: string): MessageView {
  const files = [
    {
      id: 'f1',
      name: 'Ein sehr langer Dateiname ohne Ende und Sinn.png',
      bytes: 812_345,
      isPicture: true,
      width: 1600,
      height: 900,
    },
    { id: 'f2', name: '照片.jpg', bytes: 4_000, isPicture: true },
    { id: 'f3', name: `${'a-name-that-never-ends-'.repeat(6)}.csv`, bytes: 51_200, isPicture: false },
  ];
  return { ...userMessage(id, 'What is in these?'), files };
}

export function conversation(overrides: Partial<ConversationView>): ConversationView {
  return {
    id: 'c1',
    title: 'Refactor the relay loop',
    isArchived: false,
    isUnread: false,
    agentId: 'a1',
    agentName: 'OpenClaw',
    messages: [userMessage('m1', 'How do I relay a stream without touching a byte?'), message({ text: longAnswer })],
    liveUrl: '/live?conversation=c1&after=2.0',
    ...overrides,
  };
}

const runners: Record<string, RunnerView> = {
  a1: { agentId: 'a1', state: 'running' },
  a2: { agentId: 'a2', state: 'starting', percent: 40, message: 'Waiting for the agent to answer' },
  a3: { agentId: 'a3', state: 'failed', message: 'The image could not be pulled: no space left on device.' },
  a4: { agentId: 'a4', state: 'stopped' },
};

/** When the fixtures are shown. */
const NOW_MS = Date.UTC(2026, 10, 27, 12);

export function agent(overrides: Partial<AgentView>): AgentView {
  const agentId = overrides.agentId ?? 'a1';
  return {
    agentId,
    backend: 'openclaw',
    name: 'OpenClaw',
    suggestions: ['What can you do for me here?', 'Plan my week: ask me what you need to know.'],
    disabled: false,
    current: false,
    runner: runners[agentId] ?? { agentId, state: 'unknown' },
    ...overrides,
  };
}

/** The sidebar with all states; `current` is the id of the conversation that is open. */
export function shell(current?: string): Shell {
  const link = (
    id: string,
    title: string,
    agent: Shell['conversations']['links'][number]['agent'],
    state: 'streaming' | 'unread' | 'quiet' = 'quiet',
  ) => ({
    ...{ id, title, agent, streaming: state === 'streaming', unread: state === 'unread' },
    current: id === current,
    atMs: NOW_MS - Number(id.slice(1)) * 20 * 3_600_000,
    shelf: 'list' as const,
  });
  const openclaw = { id: 'a1', name: 'OpenClaw' };
  return {
    user: { id: 'u1', name: 'Ada Lovelace', email: 'ada@example.com', admin: true },
    agents: [
      agent({
        current: true,
        description: 'A general-purpose agent that can browse, write files and run commands in its own home.',
      }),
      agent({ agentId: 'a2', backend: 'hermes', name: 'Hermes Agent' }),
      agent({ agentId: 'a3', backend: 'nanobot', name: 'nanobot' }),
      agent({ agentId: 'a4', backend: 'opencode', name: 'A backend with quite a long display name' }),
      agent({ agentId: 'a5', backend: 'old', name: 'Old agent', disabled: true }),
    ],
    conversations: {
      nowMs: NOW_MS,
      shelf: 'list',
      pinned: [{ ...link('c5', 'Recipes of the week', { id: 'a2', name: 'Hermes Agent' }), shelf: 'pinned' }],
      links: [
        link('c1', 'Refactor the relay loop', openclaw),
        link('c2', 'Why is my stream corrupt? A title that is far too long for the sidebar', openclaw, 'streaming'),
        link('c3', '每周总结与计划 🎉', openclaw, 'unread'),
        link('c4', 'Weekly summary', { id: 'a2', name: 'Hermes Agent' }),
      ],
    },
    liveUrl: '/silent',
  };
}

export const credentials: CredentialGroup[] = [
  {
    group: 'llm',
    effective: [
      { agentName: 'OpenClaw', source: 'backend', model: 'glm-5.2', host: 'openrouter.ai', missing: [] },
      {
        agentName: 'Hermes Agent with a name that is long enough to need two lines on a phone',
        source: 'shared',
        model: 'a-model-of-my-own',
        modelSource: 'global',
        host: 'api.openai.com',
        missing: [],
      },
      {
        agentName: 'nanobot',
        source: 'unset',
        missing: ['LLM_API_KEY'],
        reason: 'You have set an address of your own, and the shared key never goes to another address.',
      },
    ],
    share: { isShared: false, canShare: true, receivers: [] },
    scopes: [
      {
        scope: '',
        label: 'All agents',
        isSet: true,
        trial: { models: ['gpt-5.2', 'gpt-5.2-mini'], keyIsGone: true },
        fields: [
          { name: 'LLM_BASE_URL', secret: false, value: 'https://api.openai.com/v1', source: 'global' },
          { name: 'LLM_API_KEY', secret: true, masked: '••••••••4f2a', source: 'global' },
          {
            name: 'LLM_MODEL',
            secret: false,
            source: 'unset',
            value: 'gpt-4',
            choices: ['gpt-5.2', 'gpt-5.2-mini'],
            error: 'A model is needed with this base URL.',
          },
        ],
      },
      {
        scope: 'openclaw',
        label: 'OpenClaw',
        isSet: true,
        fields: [
          { name: 'LLM_BASE_URL', secret: false, value: 'https://openrouter.ai/api/v1', source: 'backend' },
          { name: 'LLM_API_KEY', secret: true, masked: '••••••••99c1', source: 'backend' },
          { name: 'LLM_MODEL', secret: false, value: 'glm-5.2', source: 'backend' },
        ],
      },
      {
        scope: 'hermes',
        label: 'Hermes Agent',
        isSet: false,
        trial: { error: 'The LLM API refused the credentials in Settings: check LLM_API_KEY.' },
        fields: [
          { name: 'LLM_BASE_URL', secret: false, source: 'shared', inherited: 'https://api.openai.com/v1' },
          { name: 'LLM_API_KEY', secret: true, source: 'shared', inherited: '••••••••' },
          { name: 'LLM_MODEL', secret: false, source: 'unset' },
        ],
      },
    ],
  },
  {
    group: 'SEARCH_API_KEY',
    effective: [{ agentName: 'OpenClaw', source: 'unset', missing: ['SEARCH_API_KEY'] }],
    share: { isShared: true, canShare: false, receivers: ['Finder'] },
    scopes: [
      {
        scope: '',
        label: 'All agents',
        isSet: false,
        fields: [{ name: 'SEARCH_API_KEY', secret: true, source: 'unset' }],
      },
      {
        scope: 'openclaw',
        label: 'OpenClaw',
        isSet: false,
        fields: [{ name: 'SEARCH_API_KEY', secret: true, source: 'unset' }],
      },
    ],
  },
];

export const missing: MissingView = {
  action: '/messages/m2/credentials',
  agentName: 'Direct',
  scope: '',
  ownScope: 'direct',
  isAdmin: false,
  fields: [
    {
      name: 'LLM_BASE_URL',
      secret: false,
      source: 'unset',
      value: 'nonsense',
      error: 'Must be an http or https address',
    },
    { name: 'LLM_API_KEY', secret: true, source: 'unset' },
    { name: 'LLM_MODEL', secret: false, source: 'shared', inherited: 'gpt-5.2' },
  ],
};

export const composer = { text: '', lengthMax: 200_000 };

export const keys: KeyView[] = [
  { id: 'k1', name: 'Laptop', lastFour: '81fe', createdAtMs: atMs, lastUsedAtMs: atMs + 7_200_000 },
  { id: 'k2', name: 'CI with a name that goes on and on until it no longer fits', lastFour: '0c4d', createdAtMs: atMs },
];

export const you: YouView = {
  language: null,
  hasModelTitles: true,
  name: 'Ada Lovelace',
  email: 'ada.of.a.very.long.name@analytical-engines.example',
  isAdmin: false,
  hasPassword: true,
  isLinked: false,
  provider: { name: 'Keycloak', href: '/sign-in/oidc?link=1' },
  sessions: [
    {
      ...{ id: 's1', browser: 'Firefox, Linux', address: '192.0.2.7', isCurrent: true },
      ...{ createdAtMs: atMs, seenAtMs: atMs + 7_200_000 },
    },
    {
      ...{ id: 's2', browser: 'Safari, iOS', address: '2001:db8::17', isCurrent: false },
      ...{ createdAtMs: atMs, seenAtMs: atMs },
    },
  ],
};

export const idle: IdleView[] = [
  { backend: 'openclaw', name: 'OpenClaw', seconds: 900, maxSeconds: 21_600 },
  { backend: 'hermes', name: 'Hermes Agent', seconds: 0, maxSeconds: 21_600 },
  { backend: 'nanobot', name: 'nanobot', seconds: 45, maxSeconds: 21_600 },
];
