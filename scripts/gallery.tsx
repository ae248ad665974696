/**
 * Every page in its states, with made-up data, on a loopback port: `bun scripts/gallery.tsx [port]`. /chat is a conversation
 * that really streams, by the same live parts as the router's.
 */
import { join } from 'node:path';
import type { VNode } from 'preact';
import { joined } from '../router/web/answers/assets';
import * as fixtures from '../tests/views/fixtures';
import { InvitationPage } from '../views/accounts/invitation-page';
import { OidcRefusedPage } from '../views/accounts/oidc-refused-page';
import { SignInPage } from '../views/accounts/sign-in-page';
import { SignUpPage } from '../views/accounts/sign-up-page';
import { ErrorPage } from '../views/error';
import { renderPage } from '../views/render';
import { SettingsPage } from '../views/settings/page';
import { adminPages } from './gallery/admin';
import { agentPages } from './gallery/agents';
import { chat, chatPages } from './gallery/chat';
import { live, post } from './gallery/live';
import { referencePages } from './gallery/reference';
import { usagePages } from './gallery/usage';

const root = join(import.meta.dir, '..');
const csp =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const emptyForm = { values: {}, errors: {} };
const provider = { name: 'Keycloak of Analytical Engines', href: '/sign-in/oidc' };
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
  ...chatPages,
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
      isSignedOut={false}
      shell={fixtures.shell()}
      status={404}
      title="This conversation is not here"
      message="It was deleted, or it belongs to somebody else."
      requestId="0199c3f2"
    />
  ),
  'error-alone': () => (
    <ErrorPage
      isSignedOut
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
