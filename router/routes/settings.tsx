/** Settings: credentials, keys, idle times. The page, and the predecessor's `/api/me/env-overrides`. */
import { Elysia, t } from 'elysia';
import { SettingsPage } from '../../views/pages/settings';
import type { Context } from '../context';
import { AppError } from '../errors';
import { page, seeOther, text } from '../http/respond';
import type { SessionPlugin, Who } from '../http/session';
import { credentialScopes, shellOf } from './presenters';

type PageProps = Partial<Parameters<typeof SettingsPage>[0]>;

/** What a redirect back to the page says was done. */
const FLASHES = {
  credentials: text.settings.savedCredentials,
  cleared: text.settings.clearedCredentials,
  revoked: text.settings.revokedKey,
  idle: text.settings.savedIdle,
} as const;

export function settingsRoutes(context: Context, session: SessionPlugin) {
  const { credentials, keys, idle } = context;
  const back = (request: Request, said: keyof typeof FLASHES, card: string) =>
    seeOther(request, `/settings?said=${said}#${card}`);

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
      '/settings/credentials',
      async ({ who, body, request }) => {
        const { scope = '', ...fields } = body;
        // A field left empty keeps what is there; removing is a form of its own.
        const values = Object.fromEntries(Object.entries(fields).filter(([, value]) => value.trim() !== ''));
        try {
          await credentials.set(who.user.id, scope, values);
        } catch (error) {
          if (!(error instanceof AppError) || error.status >= 500) throw error;
          const refused = { scope, fields: error.fields ?? {}, values: fields };
          const forms = error.fields ? {} : { credentials: { scope, message: error.message } };
          const scopes = await credentialScopes(context, who.user.id, refused);
          return settingsPage(context, who, request, { credentials: scopes, forms }, error.status);
        }
        return back(request, 'credentials', 'credentials');
      },
      // The scope, and whatever variables there are: an object schema would refuse those it does not name.
      { session: true, body: t.Record(t.String(), t.String()) },
    )
    .post(
      '/settings/credentials/clear',
      async ({ who, body, request }) => {
        await credentials.clear(who.user.id, body.scope);
        return back(request, 'cleared', 'credentials');
      },
      { session: true, body: t.Object({ scope: t.String() }) },
    )
    .post(
      '/settings/keys',
      async ({ who, body, request }) => {
        try {
          const { key, secret } = await keys.create(who.user.id, body.name);
          // Answered, not redirected to: the key is shown this once and is in no URL.
          return await settingsPage(context, who, request, { createdKey: { name: key.name, key: secret } });
        } catch (error) {
          if (!(error instanceof AppError) || error.status >= 500) throw error;
          const errors = { ...error.fields };
          const form = { values: { name: body.name }, errors, ...(!error.fields && { message: error.message }) };
          return settingsPage(context, who, request, { forms: { key: form } }, error.status);
        }
      },
      { session: true, body: t.Object({ name: t.String() }) },
    )
    .post(
      '/settings/keys/:id/revoke',
      async ({ who, params, request }) => {
        await keys.revoke(who.user.id, params.id);
        return back(request, 'revoked', 'keys');
      },
      { session: true },
    )
    .post(
      '/settings/idle',
      async ({ who, body, request }) => {
        requireBackend(context, body.backend);
        await idle.set(who.user.id, body.backend, body.seconds);
        return back(request, 'idle', 'idle');
      },
      { session: true, body: t.Object({ backend: t.String(), seconds: t.Numeric() }) },
    )

    .get('/api/me/env-overrides', ({ who }) => overrides(context, who), { session: true })
    .put(
      '/api/me/env-overrides/:name',
      async ({ who, params, body }) => {
        const { name } = params;
        await credentials.set(who.user.id, body.backend ?? '', { [name]: body.value }).catch((error: unknown) => {
          const problem = error instanceof AppError ? error.fields?.[name] : undefined;
          if (problem === undefined) throw error;
          throw new AppError('invalid_request', { message: `${name}: ${problem}.`, cause: error });
        });
        return { ok: true, set: body.value.trim() !== '' };
      },
      { session: true, body: t.Object({ value: t.String(), backend: t.Optional(t.String()) }) },
    )
    .delete(
      '/api/me/env-overrides/:name',
      async ({ who, params, query }) => {
        await credentials.clear(who.user.id, query.backend ?? '', params.name);
        return { ok: true };
      },
      { session: true, query: t.Object({ backend: t.Optional(t.String()) }) },
    );
}

function requireBackend(context: Context, name: string): void {
  if (!context.backends.find(name)) throw new AppError('not_found', { message: `There is no backend "${name}".` });
}

async function settingsPage(
  context: Context,
  who: Who,
  request: Request,
  props: PageProps,
  status = 200,
): Promise<Response> {
  const shell = await shellOf(context, who, {});
  const scopes = props.credentials ?? (await credentialScopes(context, who.user.id));
  const keys = (await context.keys.list(who.user.id)).map(({ id, name, lastFour, createdAtMs, lastUsedAtMs }) => ({
    id,
    name,
    lastFour,
    createdAtMs,
    ...(lastUsedAtMs !== null && { lastUsedAtMs }),
  }));
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
    <SettingsPage shell={shell} keys={keys} idle={idle} apiUrl={`${origin}/v1`} {...props} credentials={scopes} />
  );
  return page(view, status);
}

/** The predecessor's answer. The admin's shared tier is not there yet: nothing is shared. */
async function overrides(context: Context, who: Who) {
  const users = context.backends.all().filter((backend) => backend.userOverridableEnv.length > 0);
  const vars = [...new Set(users.flatMap((backend) => backend.userOverridableEnv))].sort();
  const shown = await context.credentials.shown(who.user.id);
  const masked = (scope: string, name: string) => shown.get(scope)?.find((value) => value.name === name)?.shown;
  const each = <T,>(of: (name: string) => T) => Object.fromEntries(vars.map((name) => [name, of(name)]));
  const effective = await Promise.all(
    users.map(async (backend) => {
      const values = await context.credentials.resolve(who.user.id, backend);
      const entries = values.map(({ name, source }) => {
        const scope = source === 'backend' ? backend.name : '';
        return [name, { source, masked: source === 'unset' ? '' : (masked(scope, name) ?? '') }];
      });
      return [backend.name, Object.fromEntries(entries)];
    }),
  );
  return {
    vars,
    backends: each((name) => users.filter((one) => one.userOverridableEnv.includes(name)).map((one) => one.name)),
    admin_shared: each(() => false),
    admin_shared_present: each(() => false),
    overrides: Object.fromEntries(
      [...shown].map(([scope, values]) => [
        scope,
        Object.fromEntries(values.flatMap(({ name, shown: value }) => (value === undefined ? [] : [[name, value]]))),
      ]),
    ),
    effective: Object.fromEntries(effective),
  };
}
