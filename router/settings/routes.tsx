/** Settings: the page of all of them, and idle times. Credentials and keys have files of their own. */
import { Elysia, t } from 'elysia';
import { Saved } from '../../views/kit/saved';
import { SettingsPage } from '../../views/settings/page';
import type { AccountsService } from '../accounts/accounts';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { KeysService } from '../accounts/keys/keys';
import { keyView } from '../accounts/keys/present';
import { linkProof } from '../accounts/oidc/link-proof';
import {
  type CreatedKey,
  providerLink,
  type SettingsPages,
  type SettingsProps,
  type ShellOf,
} from '../accounts/present-pages';
import { sessionView } from '../accounts/sessions/present';
import type { SessionsService } from '../accounts/sessions/sessions';
import type { AgentsService } from '../agents/agents';
import type { IdleService } from '../agents/idle';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import { credentialGroups } from '../credentials/present';
import type { Once } from '../lib/once';
import type { Vault } from '../lib/vault';
import { flashOf } from '../web/answers/flash';
import { isPartRequest, page, part, seeOther } from '../web/answers/respond';
import { type Reader, textOf } from '../web/reader';

interface SettingsPagesDeps {
  readonly accounts: Pick<AccountsService, 'hasPassword'>;
  readonly agents: AgentsService;
  readonly backends: BackendRegistry;
  readonly config: Pick<Config, 'publicUrl' | 'idle'>;
  readonly credentials: CredentialsService;
  readonly idle: IdleService;
  readonly keys: KeysService;
  readonly newKeys: Once<CreatedKey>;
  /** The OpenID Connect provider, if people sign in through one. */
  readonly oidc: { readonly name: string } | undefined;
  readonly sessions: SessionsService;
  readonly shell: ShellOf;
  readonly vault: Vault;
}

interface SettingsRoutesDeps extends Pick<SettingsPagesDeps, 'backends' | 'idle'> {
  readonly settings: SettingsPages;
}

/** Where a sign-in at the provider leads that has linked the account of who is signed in. */
const LINKED = '/settings?card=you&said=linked#you-said';

/** The page of all settings, for the routes of those subjects that have a card on it. */
export function settingsPages(deps: SettingsPagesDeps): SettingsPages {
  return {
    page: (who, request, props, status) => settingsPage(deps, { who, request, props, status }),
    saved: (who, request, card) =>
      isPartRequest(request)
        ? part(who, <Saved />)
        : seeOther(request, `/settings?card=${card}&said=saved#${card}-said`),
    back: (request, said, card) => seeOther(request, `/settings?card=${card}&said=${said}#${card}-said`),
  };
}

export function settingsRoutes(deps: SettingsRoutesDeps, session: SessionPlugin) {
  const { idle, settings } = deps;

  return new Elysia({ name: 'settings' })
    .use(session)
    .get('/settings', ({ who, query, request }) => settings.page(who, request, { said: saidOf(who, query) }), {
      session: true,
      query: t.Object({ card: t.Optional(t.String()), said: t.Optional(t.String()) }),
    })
    .post(
      '/settings/idle',
      async ({ who, body, request }) => {
        deps.backends.get(body.backend);
        await idle.set(who.user.id, body.backend, body.seconds);
        return settings.saved(who, request, 'idle');
      },
      { session: true, body: t.Object({ backend: t.String(), seconds: t.Numeric() }) },
    );
}

/** What a redirect back to the page says was done, and in which card. */
function saidOf(reader: Reader, { card = '', said }: { card?: string; said?: string }): SettingsProps['said'] {
  const flash = flashOf(textOf(reader).settings.said, said);
  return flash && { card, flash };
}

interface Shown {
  readonly who: Who;
  readonly request: Request;
  readonly props: SettingsProps;
  readonly status: number | undefined;
}

async function settingsPage(deps: SettingsPagesDeps, { who, request, props, status }: Shown): Promise<Response> {
  const shell = await deps.shell(who);
  const credentials = props.credentials ?? (await credentialGroups(deps, who));
  const agents = new Map((await deps.agents.list(who.user.id)).map(({ id, name }) => [id, name]));
  const keys = (await deps.keys.list(who.user.id)).map((key) => keyView(deps, key, agents));
  const backends = deps.backends.all().map(({ name, displayName }) => ({ value: name, label: displayName }));
  const idle = await Promise.all(
    deps.backends.all().map(async ({ name: backend, displayName: name }) => ({
      backend,
      name,
      seconds: await deps.idle.secondsOf(who.user.id, backend),
      maxSeconds: deps.config.idle.maxSeconds,
    })),
  );
  const { name, email, language, hasModelTitles, role, identity } = who.user;
  const you = {
    ...{
      name,
      email,
      language,
      hasModelTitles,
      isAdmin: role === 'admin',
      hasPassword: deps.accounts.hasPassword(who.user),
    },
    isLinked: identity !== null,
    provider: providerLink(deps.oidc, { link: linkProof(deps.vault, who), next: LINKED }),
    ...props.you,
    sessions: (await deps.sessions.list(who.user.id)).map((one) => sessionView(one, who.credentialId)),
  };
  const origin = deps.config.publicUrl ?? new URL(request.url).origin;
  const view = (
    <SettingsPage
      shell={shell}
      keys={keys}
      keyBackends={backends}
      idle={idle}
      createdKey={deps.newKeys.take(who.credentialId)}
      apiUrl={`${origin}/v1`}
      {...props}
      you={you}
      credentials={credentials}
    />
  );
  return page(who, view, status);
}
