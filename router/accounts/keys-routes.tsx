/** Keys: made, listed and revoked on the settings page and at `/api/me/keys`; the administrator sees and revokes all. */
import { Elysia, t } from 'elysia';
import { AdminKeysPage } from '../../views/admin/page';
import { shellOf } from '../chat/present';
import type { Context } from '../context';
import { AppError } from '../lib/errors';
import { backToSettings, settingsPage } from '../settings/routes';
import { page, seeOther, text } from '../web/respond';
import type { SessionPlugin, Who } from './identify';
import type { Key } from './keys-store';
import { grantOf, keyJson, keyView, type NewKey, typedKey } from './present-keys';

const names = t.Optional(t.Array(t.String()));
const limit = t.Optional(t.Union([t.Integer(), t.Null()]));
const keyBody = t.Object({
  name: t.String(),
  scopes: names,
  backends: names,
  agents: names,
  /** Seconds since the epoch, as in every JSON of ours. */
  expires_at: t.Optional(t.Union([t.Number(), t.Null()])),
  requests_per_minute: limit,
  tokens_per_minute: limit,
  concurrent_requests: limit,
  events_while_waiting: t.Optional(t.Boolean()),
});
const typed = t.Optional(t.String());
const keyFields = t.Object({
  name: t.String(),
  scopes: typed,
  backends: t.Optional(t.Union([t.String(), t.Array(t.String())])),
  expires_at: typed,
  requests_per_minute: typed,
  tokens_per_minute: typed,
  concurrent_requests: typed,
  events_while_waiting: typed,
});

/** Keys on the administrator's page. The API returns all of them. */
const KEYS_SHOWN_MAX = 500;

export function keysRoutes(context: Context, session: SessionPlugin) {
  const { keys } = context;

  return new Elysia({ name: 'keys' })
    .use(session)
    .use(adminRoutes(context, session))
    .post(
      '/settings/keys',
      async ({ who, body, request }) => {
        const { asked, values } = typedKey(body);
        try {
          const { key, secret } = await create(context, who, asked);
          // Answered without a redirect: the key is shown only once and must not appear in a URL.
          return await settingsPage(context, who, request, { createdKey: { name: key.name, key: secret } });
        } catch (error) {
          if (!(error instanceof AppError) || error.status >= 500) throw error;
          const form = { values, errors: { ...error.fields }, ...(!error.fields && { message: error.message }) };
          return settingsPage(context, who, request, { forms: { key: form } }, error.status);
        }
      },
      { session: true, body: keyFields },
    )
    .post(
      '/settings/keys/:id/revoke',
      async ({ who, params, request }) => {
        await keys.revoke(who.user.id, params.id);
        return backToSettings(request, 'revoked', 'keys');
      },
      { session: true },
    )

    .get('/api/me/keys', async ({ who }) => ({ keys: (await keys.list(who.user.id)).map(keyJson) }), { session: true })
    .post(
      '/api/me/keys',
      async ({ who, body, status }) => {
        const { key, secret } = await create(context, who, body);
        return status(201, { key: keyJson(key), secret });
      },
      { session: true, body: keyBody },
    )
    .delete(
      '/api/me/keys/:id',
      async ({ who, params }) => {
        await keys.revoke(who.user.id, params.id);
        return { ok: true };
      },
      { session: true },
    );
}

function adminRoutes(context: Context, session: SessionPlugin) {
  const { keys } = context;

  return new Elysia({ name: 'all-keys' })
    .use(session)
    .get('/admin/keys', ({ who, query }) => keysPage(context, who, query.said === 'revoked'), {
      admin: true,
      query: t.Object({ said: t.Optional(t.String()) }),
    })
    .post(
      '/admin/keys/:id/revoke',
      async ({ params, request }) => {
        await keys.revokeAny(params.id);
        return seeOther(request, '/admin/keys?said=revoked');
      },
      { admin: true },
    )
    .get(
      '/api/admin/keys',
      async () => {
        const emails = await emailsOf(context);
        return {
          keys: (await keys.listAll()).map((key) => ({ ...keyJson(key), user: emails.get(key.userId) ?? null })),
        };
      },
      { admin: true },
    )
    .delete(
      '/api/admin/keys/:id',
      async ({ params }) => {
        await keys.revokeAny(params.id);
        return { ok: true };
      },
      { admin: true },
    );
}

/** A key cannot create keys: otherwise a thief of a key could keep the access after it is revoked or expires. */
async function create(context: Context, who: Who, asked: NewKey): Promise<{ key: Key; secret: string }> {
  if (who.key) throw new AppError('forbidden', { message: 'A key cannot make keys. Sign in to make one.' });
  return context.keys.create(who.user.id, asked.name, await grantOf(context, who, asked));
}

async function keysPage(context: Context, who: Who, isRevoked: boolean): Promise<Response> {
  const emails = await emailsOf(context);
  const all = await context.keys.listAll();
  const owners = new Set(all.filter(({ agents }) => agents.length > 0).map(({ userId }) => userId));
  const owned = await Promise.all([...owners].map((userId) => context.agents.list(userId)));
  const agents = new Map(owned.flat().map(({ id, name }) => [id, name]));
  const views = all.map((key) => ({
    ...keyView(context, key, agents),
    owner: emails.get(key.userId) ?? text.usage.unnamed.user,
  }));
  views.sort((a, b) => (a.owner < b.owner ? -1 : a.owner > b.owner ? 1 : 0));
  const shown = views.slice(0, KEYS_SHOWN_MAX);
  const flash = isRevoked ? { kind: 'good' as const, message: text.settings.revokedKey } : undefined;
  return page(
    <AdminKeysPage
      shell={await shellOf(context, who, {})}
      keys={shown}
      hidden={views.length - shown.length}
      flash={flash}
    />,
  );
}

async function emailsOf({ accounts }: Context): Promise<ReadonlyMap<string, string>> {
  return new Map((await accounts.list()).map(({ id, email }) => [id, email]));
}
