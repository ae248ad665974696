/** The process table of macOS, read from `ps`. Written from the manual page of ps(1); not yet run on a Mac. */
import { markVariable } from './marks';
import type { Process, ProcessTable } from './table';

/** `-E` appends the environment to the command. The mark contains no space, so it can be found in the text. */
const columns = ['-wwE', '-o', 'pid=,pgid=,stat=,lstart=,command='];

export const psTable: ProcessTable = {
  list: () => ps(['-ax', ...columns]),
  find: async (pid) => (await ps([...columns, '-p', String(pid)]))[0],
};

async function ps(arguments_: readonly string[]): Promise<readonly Process[]> {
  // In another locale than C, lstart is in the user's language.
  const child = Bun.spawn(['/bin/ps', ...arguments_], { env: { LC_ALL: 'C' }, stdin: 'ignore', stderr: 'ignore' });
  const text = await new Response(child.stdout).text();
  const exitCode = await child.exited;
  // Exit code 1 means that no process matched: that is no error.
  if (exitCode > 1) throw new Error(`ps ended with ${exitCode}`);
  return text
    .split('\n')
    .map(parseLine)
    .filter((entry) => entry !== undefined);
}

/** One line, for example `  501   501 Ss   Mon Oct 13 09:01:02 2025     /usr/bin/bun run A=1 B=2`. */
export function parseLine(line: string): Process | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]+\s+\d{4})\s(.*)$/.exec(line);
  const [, pid, group, state = '', born = '', command = ''] = match ?? [];
  if (match === null || state.startsWith('Z')) return undefined;
  const isStopped = state.startsWith('T') && { isStopped: true as const };
  const entry = { pid: Number(pid), groupId: Number(group), born, startedAtMs: Date.parse(born), ...isStopped };
  const mark = new RegExp(`(?:^|\\s)${markVariable}=(\\S+)`).exec(command)?.[1];
  return mark === undefined ? entry : { ...entry, mark };
}
