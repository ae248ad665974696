/** The output of runners, as people may read it. */
import type { Driver, Handle } from '../../drivers/driver';
import { withoutKeys } from '../lib/ids';
import { runnersLog } from '../lib/log';
import { onClock } from '../lib/time';

const LOGS_MS = 5_000;
/** What an error carries. Characters are limited too: one line may be as long as the whole output. */
const OF_ERROR = { tailLines: 20, charsMax: 4_000 };
/** What a page shows. */
export const OF_PAGE = { tailLines: 300, charsMax: 60_000 };

/**
 * The end of a runner's output, without keys and colours: by default at most 20 lines and 4,000 characters. Empty when
 * no output can be read.
 */
export async function logTail(driver: Driver, handle: Handle, { tailLines, charsMax } = OF_ERROR): Promise<string> {
  const lines = await onClock(
    LOGS_MS,
    undefined,
    async (signal) => driver.logs?.(handle, { tailLines, signal }) ?? [],
  ).catch((error: unknown) => {
    runnersLog.debug({ driver: driver.name, err: error }, 'output.unread');
    return [];
  });
  // Keys are removed before the text is cut, so that the cut cannot leave half a key that the pattern would miss.
  const tail = withoutKeys(Bun.stripANSI(lines.slice(-tailLines).join('\n'))).trim();
  return tail.length <= charsMax ? tail : `…${tail.slice(-charsMax).toWellFormed()}`;
}
