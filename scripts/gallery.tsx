// Every page in its states, with made-up data, on a loopback port: `bun scripts/gallery.tsx [port]`.
// /chat is a conversation that really streams, by the same live parts as the router's.
import { join } from 'node:path';
import type { VNode } from 'preact';
import { joined } from '../router/web/assets';
import * as fixtures from '../tests/views/fixtures';
import { InvitationPage } from '../views/accounts/invitation-page';
import { OidcRefusedPage } from '../views/accounts/oidc-refused-page';
import { SignInPage } from '../views/accounts/sign-in-page';
import { SignUpPage } from '../views/accounts/sign-up-page';
import { ChatPage } from '../views/chat/page';
import { ErrorPage } from '../views/error';
import { renderPlain } from '../views/markup';
import type { ConversationView, MessageView, RunnerView } from '../views/models';
import { renderPage } from '../views/render';
import { SettingsPage } from '../views/settings/page';
import { adminPages } from './gallery-admin';
import { agentPages } from './gallery-agents';
import { live, post } from './gallery-live';
import { referencePages } from './gallery-reference';
import { usagePages } from './gallery-usage';

const root = join(import.meta.dir, '..');
const csp =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const emptyForm = { values: {}, errors: {} };
const provider = { name: 'Keycloak of Analytical Engines', href: '/sign-in/oidc' };
const agent = fixtures.agent({ current: true, description: fixtures.shell().agents[0]?.description ?? '' });

export const pages: Record<string, () => VNode> = {
  'sign-in': () => <SignInPage form={emptyForm} signupOpen next="/settings" />,
  'sign-in-refused': () => (
    <SignInPage
      form={{ values: { email: 'ada@example.com' }, errors: {}, message: 'E-mail or password is wrong.' }}
      signupOpen={false}
    />
  ),
  'sign-in-provider': () => <SignInPage form={emptyForm} signupOpen={false} provider={provider} />,
  'sign-in-provider-only': () => <SignInPage form={emptyForm} signupOpen={false} provider={provider} isAdminOnly />,
  'sign-in-provider-refused': () => (
    <OidcRefusedPage
      message="E-mail addresses of gmail.com may not sign in here."
      again={provider}
      backHref="/sign-in"
    />
  ),
  invited: () => <InvitationPage form={emptyForm} email={null} action="/sign-up/token" provider={provider} />,
  'sign-up': () => (
    <SignUpPage
      form={{ values: { name: 'Ada' }, errors: { email: 'This is not an email address.' } }}
      inviteRequired={true}
    />
  ),
  conversation: () => chat({ earlierHref: '/conversations/c1?before=1' }),
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
    <ChatPage shell={fixtures.shell()} agent={agent} composer={{ text: '' }} missing={['LLM_API_KEY', 'LLM_MODEL']} />
  ),
  'new-disabled': () => (
    <ChatPage shell={fixtures.shell()} agent={{ ...agent, disabled: true }} composer={{ text: '' }} />
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
      composer={{ text: 'one\ntwo\nthree', error: 'The message is longer than 256 KB. Attach it as a file instead.' }}
    />
  ),
  settings: () => (
    <SettingsPage
      shell={fixtures.shell()}
      you={fixtures.you}
      credentials={fixtures.credentials}
      keys={fixtures.keys}
      createdKey={{ name: 'Laptop', key: `ask_${'9f3c81fe'.repeat(6)}` }}
      idle={fixtures.idle}
      said={{ card: 'credentials', flash: { kind: 'good', message: 'The credentials are saved.' } }}
      apiUrl="http://localhost:18000/v1"
    />
  ),
  ...adminPages,
  ...agentPages,
  ...usagePages,
  ...referencePages,
  error: () => (
    <ErrorPage
      shell={fixtures.shell()}
      status={404}
      title="This conversation is not here"
      message="It was deleted, or it belongs to somebody else."
      requestId="0199c3f2"
    />
  ),
  'error-alone': () => (
    <ErrorPage
      status={503}
      title="The router is busy"
      message="Too many runners are starting at once."
      hint="Try again in a minute."
      requestId="0199c3f2"
    />
  ),
};

if (import.meta.main) {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: Number(Bun.argv[2] ?? 18999),
    idleTimeout: 0,
    fetch: answer,
  });
  process.stdout.write(`${server.url}\n`);
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const name = pathname.slice(pathname.lastIndexOf('/') + 1);
  const asset = joined.get(name);
  if (asset) return new Response(asset.content, { headers: { 'content-type': asset.type } });
  if (pathname.startsWith('/assets/')) {
    return new Response(Bun.file(join(root, 'views/assets', name)), {
      headers: { 'x-asset': name },
    });
  }
  if (pathname === '/live') return live();
  if (pathname === '/chat') return page(chat({ liveUrl: '/live' }));
  if (request.method === 'POST') return post(pathname, await request.formData());
  const show = pages[name];
  if (show) return page(show());
  const links = [...Object.keys(pages), 'chat'].map((entry) => `<li><a href="/${entry}">${entry}</a></li>`).join('');
  return new Response(`<!doctype html><title>gallery</title><ul>${links}</ul>`, {
    headers: { 'content-type': 'text/html' },
  });
}

function page(node: VNode): Response {
  const html = renderPage(node, { assets: (name) => `/assets/${name}`, locale: 'en' });
  return new Response(html, {
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': csp },
  });
}

function chat(overrides: Partial<ConversationView>): VNode {
  return (
    <ChatPage
      shell={fixtures.shell('c1')}
      agent={agent}
      conversation={fixtures.conversation({ liveUrl: '/silent', ...overrides })}
      composer={{ text: '' }}
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
      composer={{ text: '' }}
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
