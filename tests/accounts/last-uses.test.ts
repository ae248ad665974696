/** When keys and sessions were last used, while the database refuses to be told. */
import { expect, test } from 'bun:test';
import { refuse } from '../support/refusing';
import { memoryBackend, PEOPLE, type Person, startRouter } from '../support/router';

interface Used {
  readonly last_used_at: number;
}

async function usesIn(person: Person, path: 'keys' | 'sessions'): Promise<number[]> {
  const told = (await (await person.request(`/api/me/${path}`)).json()) as Record<string, Used[]>;
  return (told[path] ?? []).map((one) => one.last_used_at);
}

test('what the database refuses of the last uses is shown meanwhile, and written the next time', async () => {
  let nowMs = Date.UTC(2026, 10, 28);
  const backends = [memoryBackend('echo')];
  const router = await startRouter({ backends, now: () => nowMs });
  const { keys, sessions } = router.context;
  const alice = await router.person(PEOPLE.alice);
  const other = await router.person(PEOPLE.alice);
  const authorization = `Bearer ${await alice.createKey()}`;
  nowMs += 60_000;
  const usedAt = nowMs / 1000;
  await router.request('/v1/models', { headers: { authorization } });
  await other.request('/api/me/keys');
  {
    using _refusing = refuse(router);
    for (const service of [keys, sessions]) await expect(service.flush()).rejects.toThrow();
  }
  nowMs += 60_000;
  expect(await usesIn(alice, 'keys')).toEqual([usedAt]);
  expect((await usesIn(alice, 'sessions')).sort()).toEqual([usedAt, usedAt + 60]);
  for (const service of [keys, sessions]) await service.flush();
  await router.stop();
  await using again = await startRouter({ backends, now: () => nowMs, dataRoot: router.dataRoot });
  const later = await again.person(PEOPLE.alice);
  expect(await usesIn(later, 'keys')).toEqual([usedAt]);
  expect(await usesIn(later, 'sessions')).toContain(usedAt);
});
