/** The demo agent as a program. Each of its calls of a tool lasts while the given folder has a file with the id of the call. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SCRIPTS } from '../../backends/demo/scripts';

const [folder = ''] = process.argv.slice(2);
const script = SCRIPTS.get('tools');
if (!script) throw new Error('premise: the demo agent shows how it uses tools');
(SCRIPTS as Map<string, typeof script>).set('tools', async function* (rest, signal, session) {
  for await (const piece of script(rest, signal, session)) {
    yield piece;
    const { toolReport } = piece;
    if (toolReport?.status !== 'running') continue;
    while (existsSync(join(folder, toolReport.toolCallId))) await sleep(20, undefined, { signal });
  }
});

await import('../../backends/demo/main');
