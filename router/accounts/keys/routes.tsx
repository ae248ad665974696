/** Keys: made, listed and revoked on the settings page and at `/api/me/keys`; the administrator sees and revokes all. */
import { Elysia, t } from 'elysia';
import { AdminKeysPage } from '../../../views/admin/page';
import { AppError } from '../../lib/errors';
import type { Once } from '../../lib/once';
import { flashOf } from '../../web/answers/flash';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import type { AccountsService } from '../accounts';
import type { SessionPlugin, Who } from '../identify';
import type { CreatedKey, SettingsPages, ShellOf } from '../present-pages';
import { type GrantDeps, grantOf, type NewKey } from './grant';
import type { KeysService } from './keys';
import { type KeyViewDeps, keyJson, keyView, typedKey } from './present';
import type { Key } from './store';

const names = t.Optional(t.Array(t.String()));
const limit = t.Optional(t.Integer());
const keyBody = t.Object({
  name: t.String(),
  scopes: names,
  backends: names,
  agents: names,
  /** Seconds since the epoch, as in every JSON of ours. */
  expires_at: t.Optional(t.Number()),
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
const KEYS_SHOWN_MAX = 100;
/** Keys in one answer of the API. */
const KEYS_LISTED_MAX = 500;
const pageQuery = t.Object({
  limit: t.Optional(t.Integer({ minimum: 1, maximum: KEYS_LISTED_MAX })),
  after: t.Optional(t.String()),
});

interface KeysRoutesDeps extends GrantDeps, KeyViewDeps {
  readonly accounts: AccountsService;
  readonly keys: KeysService;
  readonly backends: GrantDeps['backends'] & KeyViewDeps['backends'];
  readonly shell: ShellOf;
  readonly newKeys: Once<CreatedKey>;
  readonly settings: SettingsPages;
}

export function keysRoutes(deps: KeysRoutesDeps, session: SessionPlugin) {
  const { keys, newKeys, settings } = deps;

  return new Elysia({ name: 'keys' })
    .use(session)
    .use(adminRoutes(deps, session))
    .post(
      '/settings/keys',
      async ({ who, body, request }) => {
        const { requested, values } = typedKey(body);
        try {
          const { key, secret } = await create(deps, who, requested);
          // Shown by the page that the redirect leads to, so that a reload makes no second key.
          newKeys.put(who.credentialId, { name: key.name, key: secret });
        } catch (error) {
          const { form, status } = refusedForm(values, error);
          return settings.page(who, request, { forms: { key: form } }, status);
        }
        return seeOther(request, '/settings#created-key');
      },
      { session: true, audit: 'key.made', body: keyFields },
    )
    .post(
      '/settings/keys/:id/revoke',
      async ({ who, params, request }) => {
        await keys.revoke(who.user.id, params.id);
        return settings.back(request, 'revoked', 'keys');
      },
      { session: true, audit: 'key.revoked' },
    )

    .get('/api/me/keys', async ({ who }) => ({ keys: (await keys.list(who.user.id)).map(keyJson) }), { session: true })
    .post(
      '/api/me/keys',
      async ({ who, body, status }) => {
        const { key, secret } = await create(deps, who, body);
        return status(201, { key: keyJson(key), secret });
      },
      { session: true, audit: 'key.made', body: keyBody },
    )
    .delete(
      '/api/me/keys/:id',
      async ({ who, params }) => {
        await keys.revoke(who.user.id, params.id);
        return { ok: true };
      },
      { session: true, audit: 'key.revoked' },
    );
}

function adminRoutes(deps: KeysRoutesDeps, session: SessionPlugin) {
  const { keys } = deps;

  return new Elysia({ name: 'all-keys' })
    .use(session)
    .get('/admin/keys', ({ who, query }) => keysPage(deps, who, query), {
      admin: true,
      query: t.Object({ said: t.Optional(t.String()), after: t.Optional(t.String()) }),
    })
    .post(
      '/admin/keys/:id/revoke',
      async ({ params, request }) => {
        await keys.revokeAny(params.id);
        return seeOther(request, '/admin/keys?said=revoked');
      },
      { admin: true, audit: 'key.revoked' },
    )
    .get(
      '/api/admin/keys',
      async ({ query }) => {
        const { keys: found, hasMore } = await keys.listAll(query.limit ?? KEYS_LISTED_MAX, query.after);
        return { keys: found.map((key) => ({ ...keyJson(key), user: key.owner })), has_more: hasMore };
      },
      { admin: true, query: pageQuery },
    )
    .delete(
      '/api/admin/keys/:id',
      async ({ params }) => {
        await keys.revokeAny(params.id);
        return { ok: true };
      },
      { admin: true, audit: 'key.revoked' },
    );
}

/** A key cannot make another one: a thief would keep access after the key is revoked or has expired. */
async function create(deps: KeysRoutesDeps, who: Who, requested: NewKey): Promise<{ key: Key; secret: string }> {
  if (who.key) throw new AppError('forbidden', { message: 'A key cannot create keys. Sign in to create one.' });
  return deps.keys.create(who.user.id, requested.name, await grantOf(deps, who.user.id, requested));
}

/** A page of the keys of everybody; of `after` on where there are many. */
async function keysPage(
  deps: KeysRoutesDeps,
  who: Who,
  { said, after }: { readonly said?: string | undefined; readonly after?: string | undefined },
): Promise<Response> {
  const { keys, hasMore } = await deps.keys.listAll(KEYS_SHOWN_MAX, after);
  const owners = new Set(keys.filter(({ agents }) => agents.length > 0).map(({ userId }) => userId));
  const owned = await Promise.all([...owners].map((userId) => deps.agents.list(userId)));
  const agents = new Map(owned.flat().map(({ id, name }) => [id, name]));
  const { revoked } = textOf(who).settings.said;
  return page(
    who,
    <AdminKeysPage
      shell={await deps.shell(who)}
      keys={keys.map((key) => ({ ...keyView(deps, key, agents), owner: key.owner }))}
      moreHref={hasMore ? `/admin/keys?after=${keys.at(-1)?.id}` : undefined}
      flash={flashOf({ revoked }, said)}
    />,
  );
}
