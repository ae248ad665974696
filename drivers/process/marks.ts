/** The mark: a variable in the environment of a runner. A restarted driver finds runners by their marks; it stores nothing. */

import { EARLIER_HOST } from '../runner-host';

/** Name of the environment variable that holds the mark. The descendants of a runner inherit it. */
export const markVariable = 'AGENT_STACK_RUNNER';

/** The content of a mark. It holds no secret, because other processes may be able to read the environment. */
export interface Mark {
  readonly runnerId: string;
  /** Random per start: distinguishes two processes of one runner id, for example a stopped one and its successor. */
  readonly life: string;
  readonly host: string;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Returns the mark as text without spaces or line ends, readable in `/proc/<pid>/environ`:
 * `id=…&life=…&host=…&port=…&label.<name>=…`.
 */
export function writeMark({ runnerId, life, host, port, labels }: Mark): string {
  const mark = new URLSearchParams({ id: runnerId, life, host, port: String(port) });
  for (const [name, value] of Object.entries(labels)) mark.set(`label.${name}`, value);
  return mark.toString();
}

/** Parses a mark. Returns undefined when the text is no mark of this driver. */
export function readMark(text: string | undefined): Mark | undefined {
  if (text === undefined) return undefined;
  const mark = new URLSearchParams(text);
  const runnerId = mark.get('id');
  const life = mark.get('life');
  const port = Number(mark.get('port'));
  if (runnerId === null || life === null || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const host = mark.get('host') ?? EARLIER_HOST;
  const labels = [...mark]
    .filter(([name]) => name.startsWith('label.'))
    .map(([name, value]) => [name.slice('label.'.length), value]);
  return { runnerId, life, host, port, labels: Object.fromEntries(labels) };
}
