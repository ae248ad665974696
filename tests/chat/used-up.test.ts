/** A budget that is used up is said before one writes. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

let router: TestRouter;
beforeAll(async () => {
  router = await startRouter();
});
afterAll(() => router[Symbol.asyncDispose]());

/** What stands above the composer where a conversation begins. */
async function notices(person: Person): Promise<string[]> {
  const home = (await person.request('/')).headers.get('location') ?? '';
  const page = await (await person.request(home)).text();
  return (await all(page, '.dock .notice')).map(({ text }) => text);
}

test('a user whose budget is used up reads it above the composer, with when it starts again; others do not', async () => {
  const alice = await router.person(PEOPLE.alice);
  const bob = await router.person(PEOPLE.bob);
  expect(await notices(alice)).toEqual([]);
  const budget = { subjectId: alice.id, userId: alice.id, keyId: null, unit: 'tokens', period: 'day' } as const;
  await router.context.budgets.put({ ...budget, softLimit: 0, hardLimit: 10 });
  expect(await notices(alice)).toEqual([]);
  await router.context.budgets.put({ ...budget, softLimit: null, hardLimit: 0 });
  expect(await notices(alice)).toEqual([expect.stringMatching(/used up\. It starts again on .* UTC\. See your usage/)]);
  expect(await notices(bob)).toEqual([]);
});
