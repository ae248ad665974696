/** Settings: the page of all of them, and idle times. Credentials and keys have files of their own. */
import { Elysia, t } from 'elysia';
import { SettingsPage } from '../../views/settings/page';
import type { SessionPlugin, Who } from '../accounts/identify';
import { keyView } from '../accounts/present-keys';
import { shellOf } from '../chat/present';
import type { Context } from '../context';
import { credentialGroups } from '../credentials/present';
import { AppError } from '../lib/errors';
import { page, seeOther, text } from '../web/respond';

type PageProps = Partial<Parameters<typeof SettingsPage>[0]>;

/** What a redirect back to the page says was done. */
const FLASHES = {
  credentials: text.settings.savedCredentials,
  variables: text.settings.savedVariables,
  cleared: text.settings.clearedCredentials,
  shared: text.settings.sharedCredentials,
  unshared: text.settings.unsharedCredentials,
  withdrawn: text.settings.unsharedVariables,
  revoked: text.settings.revokedKey,
  idle: text.settings.savedIdle,
} as const;

export function settingsRoutes(context: Context, session: SessionPlugin) {
  const { idle } = context;

  return new Elysia({ name: 'settings' })
    .use(session)
    .get(
      '/settings',
      ({ who, query, request }) => {
        const message = FLASHES[query.said as keyof typeof FLASHES];
        return settingsPage(context, who, request, message ? { flash: { kind: 'good', message } } : {});
      },
      { session: true, query: t.Object({ said: t.Optional(t.String()) }) },
    )
    .post(
      '/settings/idle',
      async ({ who, body, request }) => {
        requireBackend(context, body.backend);
        await idle.set(who.user.id, body.backend, body.seconds);
        return backToSettings(request, 'idle', 'idle');
      },
      { session: true, body: t.Object({ backend: t.String(), seconds: t.Numeric() }) },
    );
}

/** After a form: to its card on the page, which says what was done. */
export function backToSettings(request: Request, said: keyof typeof FLASHES, card: string): Response {
  return seeOther(request, `/settings?said=${said}#${card}`);
}

function requireBackend(context: Context, name: string): void {
  if (!context.backends.find(name)) throw new AppError('not_found', { message: `There is no backend "${name}".` });
}

/** @param props what differs from the page as it is stored: refused forms, what was just made. */
export async function settingsPage(
  context: Context,
  who: Who,
  request: Request,
  props: PageProps,
  status = 200,
): Promise<Response> {
  const shell = await shellOf(context, who, {});
  const credentials = props.credentials ?? (await credentialGroups(context, who));
  const agents = new Map((await context.agents.list(who.user.id)).map(({ id, name }) => [id, name]));
  const keys = (await context.keys.list(who.user.id)).map((key) => keyView(context, key, agents));
  const backends = context.backends.all().map(({ name, displayName }) => ({ value: name, label: displayName }));
  const idle = await Promise.all(
    context.backends.all().map(async ({ name: backend, displayName: name }) => ({
      backend,
      name,
      seconds: await context.idle.secondsOf(who.user.id, backend),
      maxSeconds: context.config.idle.maxSeconds,
    })),
  );
  const origin = context.config.publicUrl ?? new URL(request.url).origin;
  const view = (
    <SettingsPage
      shell={shell}
      keys={keys}
      keyBackends={backends}
      idle={idle}
      apiUrl={`${origin}/v1`}
      {...props}
      credentials={credentials}
    />
  );
  return page(view, status);
}
