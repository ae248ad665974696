/** The end of the router, which is short: what it waits for, it waits for at once. */
import { expect, spyOn, test } from 'bun:test';
import { processLog } from '../../router/lib/log';
import { memoryBackend, startRouter } from '../support/router';

test('a database that refuses the ends of answers does not hold off the end of starts, nor the other way round', async () => {
  const router = await startRouter({ backends: [memoryBackend('echo')] });
  const { generations, runners } = router.context;
  const { close } = runners;
  const [interrupting, closing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  spyOn(generations, 'interruptAll').mockImplementation(() => {
    interrupting.resolve();
    return closing.promise;
  });
  spyOn(runners, 'close').mockImplementation(() => {
    closing.resolve();
    return interrupting.promise.then(close);
  });
  await router.stop();
  expect(runners.close).toHaveBeenCalledTimes(1);
});

test('what fails at the end is told, and keeps nothing from being waited for, written and let go', async () => {
  using error = spyOn(processLog, 'error').mockReturnValue(undefined);
  const router = await startRouter({ backends: [memoryBackend('echo')] });
  const { generations, runners, metering, database } = router.context;
  const { close } = runners;
  const closing = Promise.withResolvers<void>();
  const ended: string[] = [];
  spyOn(generations, 'interruptAll').mockRejectedValue(new Error('no luck'));
  spyOn(runners, 'close').mockImplementation(async () => {
    await closing.promise;
    await close();
    ended.push('closed');
  });
  spyOn(metering, 'flush').mockImplementation(async () => void ended.push('flushed'));
  const stopped = router.stop();
  setImmediate(closing.resolve);
  await stopped;
  expect(ended).toEqual(['closed', 'flushed']);
  expect(error.mock.calls).toMatchObject([[{ err: { message: 'no luck' } }, 'end.failed']]);
  expect(() => database.db.$client.run('SELECT 1')).toThrow();
});
