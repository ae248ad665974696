/** How much of a page its browser looks at again when something small changes: a count that no busy machine changes. */
import type { Page } from '@playwright/test';
import { answer, ended, expect, send, signIn, test } from './fixtures';

interface Recalculation {
  readonly name: string;
  readonly args: { readonly elementCount?: number };
}

/** The most elements whose styles were computed at once while something happened on the page. */
async function mostRestyled(page: Page, happens: () => Promise<void>): Promise<number> {
  const client = await page.context().newCDPSession(page);
  const events: Recalculation[] = [];
  client.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as Recalculation[])));
  await client.send('Tracing.start', {
    traceConfig: { includedCategories: ['devtools.timeline'] },
    transferMode: 'ReportEvents',
  });
  await happens();
  const isComplete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
  await client.send('Tracing.end');
  await isComplete;
  await client.detach();
  const counts = events.flatMap(({ name, args }) => (name === 'UpdateLayoutTree' ? [args.elementCount ?? 0] : []));
  return Math.max(...counts);
}

test('a message that is sent and an answer that ends leave the styles of the answer above as they are', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const row = '| North quay | 06:42 | *closed* |\n';
  const content = `| Harbour | High water | Remarks |\n| --- | ---: | --- |\n${row.repeat(500)}`;
  const account = await router.signIn(router.admin);
  const imported = await account.request('/api/conversations/import?backend=demo', {
    method: 'POST',
    body: {
      format: 'agent-stack.conversation',
      version: 1,
      title: 'Tides',
      messages: [{ role: 'assistant', content }],
    },
  });
  const { conversation } = (await imported.json()) as { conversation: { id: string } };
  await page.goto(`/conversations/${conversation.id}`);
  const elements = await answer(page).locator('table *').count();
  expect(elements).toBeGreaterThan(2_000);
  const restyled = await mostRestyled(page, async () => {
    await send(page, 'echo and a short one');
    await ended(page, 'done');
    // What comes with the end is on the page, too.
    await expect(answer(page).getByRole('button', { name: 'Copy' })).toBeVisible();
  });
  expect(restyled).toBeGreaterThan(0);
  expect(restyled).toBeLessThan(elements / 2);
});
