/** What the first page after sign-in weighs for somebody with many conversations. */
import { afterAll, expect, test } from 'bun:test';
import { newTimeId } from '../../router/lib/ids';
import { agentOf } from '../support/chat';
import { PEOPLE, startRouter } from '../support/router';
import { all } from '../views/dom';

const router = await startRouter();
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

/** Bytes of the body on the wire, and its text. */
async function fetched(path: string): Promise<{ bytes: number; text: string }> {
  const headers = { cookie: alice.cookie, 'accept-encoding': 'gzip', accept: 'text/html,*/*' };
  // Bun's own option: the body as it comes.
  const response = await fetch(router.url + path, { headers, decompress: false } as RequestInit);
  const body = await response.bytes();
  const isZipped = response.headers.get('content-encoding') === 'gzip';
  return { bytes: body.length, text: new TextDecoder().decode(isZipped ? Bun.gunzipSync(body) : body) };
}

test('for a user with 1,000 conversations it is less than 60 KB with its styles and scripts', async () => {
  const agent = await agentOf(router, alice, 'echo');
  const { conversations } = router.context;
  for (let count = 0; count < 1_000; count += 1) {
    const { id } = await conversations.create(agent);
    await conversations.rename(alice.id, id, `${newTimeId()} a title of usual length ${count}`);
    if (count < 30) await conversations.putOn(alice.id, id, 'pinned');
  }
  const home = (await alice.request('/')).headers.get('location') ?? '';
  const page = await fetched(home);
  expect(page.text.match(/conversation-link-/g)?.length).toBe(60);
  const linked = [
    ...(await all(page.text, 'script[src]')).map(({ attributes }) => attributes.src ?? ''),
    ...(await all(page.text, 'link[rel="stylesheet"], link[rel="manifest"], link[rel="preload"]')).map(
      ({ attributes }) => attributes.href ?? '',
    ),
    (await all(page.text, 'svg use'))[0]?.attributes.href?.replace(/#.*/, '') ?? '',
  ];
  expect(linked.length).toBeGreaterThan(5);
  let bytes = page.bytes;
  for (const path of new Set(linked)) bytes += (await fetched(path)).bytes;
  expect(bytes).toBeLessThan(60_000);
}, 60_000);
