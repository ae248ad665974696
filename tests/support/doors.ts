/** Doors of the administrator. */
import { expect } from 'bun:test';
import type { Person, TestRouter } from './router';

/** A method, a path, and the body that would be understood there. */
export type Door = readonly [method: string, path: string, body?: object];

/** Expects that nothing opens the doors: not signed out, not as another user, not with a key, not from another site. */
export async function expectAdminsOnly(
  router: TestRouter,
  { admin, other, doors }: { admin: Person; other: Person; doors: readonly Door[] },
): Promise<void> {
  const { secret } = await router.context.keys.create(admin.id, 'managing', { scopes: ['v1', 'manage'] });
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  for (const [method, path, body] of doors) {
    const init = { method, ...(body && { body }) };
    const statuses = [
      (await router.request(path, init)).status,
      (await other.request(path, init)).status,
      (await router.request(path, { ...init, headers: { authorization: `Bearer ${secret}` } })).status,
      ...(method === 'GET' ? [] : [(await admin.request(path, { ...init, headers: foreign })).status]),
    ];
    expect([method, path, statuses]).toEqual([method, path, method === 'GET' ? [401, 403, 401] : [401, 403, 401, 403]]);
  }
}
