/** The end of the router, which is short: what it waits for, it waits for at once. */
import { expect, spyOn, test } from 'bun:test';
import { memoryBackend, startRouter } from '../support/router';

test('a database that refuses the ends of answers does not hold off the end of starts, nor the other way round', async () => {
  const router = await startRouter({ backends: [memoryBackend('echo')] });
  const { generations, runners } = router.context;
  const [interrupting, closing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  spyOn(generations, 'interruptAll').mockImplementation(() => {
    interrupting.resolve();
    return closing.promise;
  });
  spyOn(runners, 'close').mockImplementation(() => {
    closing.resolve();
    return interrupting.promise;
  });
  await router.stop();
  expect(runners.close).toHaveBeenCalledTimes(1);
});
