/** Credentials: the forms of the settings page. */
import { Elysia, t } from 'elysia';
import { ScopeTrial } from '../../views/credentials/credentials';
import { cardId } from '../../views/credentials/group';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { SettingsPages } from '../accounts/present-pages';
import type { BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import { isPartRequest, part } from '../web/answers/respond';
import { credentialGroups, groupOf, holdersOf, namesOfGroup, pick, type Refused, refusedScope } from './present';
import { type TrialDeps, triedForm } from './tried-form';
import { isSecret } from './values';

/** A scope and whatever variables there are: an object schema would refuse those it does not name. */
export const fields = t.Record(t.String(), t.String(), { additionalProperties: false });

interface CredentialsRoutesDeps extends TrialDeps {
  readonly backends: BackendRegistry;
  readonly settings: SettingsPages;
}

export function credentialsRoutes(deps: CredentialsRoutesDeps, session: SessionPlugin) {
  const { credentials, settings } = deps;

  return new Elysia({ name: 'credentials' })
    .use(session)
    .post(
      '/settings/credentials',
      async ({ who, body, request }) => {
        const { scope = '', ...typed } = body;
        // An empty field removes its value, except for secrets: their field is always empty, and another form removes them.
        const values = pick(typed, (name, value) => value.trim() !== '' || !isSecret(name));
        try {
          await credentials.set(who.user.id, scope, values);
        } catch (error) {
          const refused = refusedScope(error, scope, typed);
          return typedPage(deps, who, request, refused);
        }
        const names = Object.keys(values);
        const isHeld = holdersOf(deps, names).length > 0;
        return settings.back(request, isHeld ? 'variables' : 'credentials', cardId(groupOf(names[0] ?? '')));
      },
      { session: true, audit: 'credentials.set', body: fields },
    )
    .post('/settings/credentials/try', ({ who, body, request }) => tryConnection(deps, who, request, body), {
      session: true,
      body: fields,
    })
    .post(
      '/settings/credentials/clear',
      async ({ who, body, request }) => {
        const names = body.group === undefined ? undefined : namesOfGroup(deps, body.group);
        await credentials.clear(who.user.id, body.scope, names);
        return settings.back(request, 'cleared', cardId(body.group ?? groupOf('LLM_API_KEY')));
      },
      {
        session: true,
        audit: 'credentials.cleared',
        body: t.Object({ scope: t.String(), group: t.Optional(t.String()) }),
      },
    )
    .post(
      '/settings/credentials/share',
      async ({ body, request }) => {
        const names = namesOfGroup(deps, body.group);
        await credentials.share(names, body.shared);
        const ended = holdersOf(deps, names).length > 0 ? 'withdrawn' : 'unshared';
        return settings.back(request, body.shared ? 'shared' : ended, cardId(body.group));
      },
      { admin: true, audit: 'credentials.shared', body: t.Object({ group: t.String(), shared: t.BooleanString() }) },
    );
}

async function typedPage(
  deps: CredentialsRoutesDeps,
  who: Who,
  request: Request,
  { typed, status }: Refused,
): Promise<Response> {
  const groups = await credentialGroups(deps, who, typed);
  // An unknown scope or variable has no form in which to show the error.
  const isShown = groups.some(({ scopes }) => scopes.some(({ scope, error }) => scope === typed.scope && error));
  const lost = typed.error !== undefined &&
    !isShown && { said: { card: 'credentials', flash: { kind: 'bad', message: typed.error } as const } };
  return deps.settings.page(who, request, { credentials: groups, ...lost }, status);
}

/**
 * Tests the typed credentials without saving them. Answers htmx with the result, and other requests with the whole page
 * and the typed values.
 */
async function tryConnection(
  deps: CredentialsRoutesDeps,
  who: Who,
  request: Request,
  body: Readonly<Record<string, string>>,
): Promise<Response> {
  const tried = await triedForm(deps, who, request, body);
  if (!isPartRequest(request)) return typedPage(deps, who, request, tried);
  const { scope } = tried.typed;
  const groups = await credentialGroups(deps, who, tried.typed);
  const found = groups.flatMap((group) => group.scopes.map((one) => ({ group: group.group, scope: one })));
  const here = found.find((one) => one.scope.scope === scope && one.scope.trial);
  if (!here) throw new AppError('not_found', { message: `There is no scope "${scope}".` });
  return part(who, <ScopeTrial group={here.group} scope={here.scope} />, tried.status);
}
