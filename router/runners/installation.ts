/**
 * The id of this installation, which every runner carries as a label. It belongs to one place, so that two routers never take
 * each other's runners: a copy of the data that is started elsewhere gets an id of its own.
 */
import type { InstallationStore } from '../database/installation-store';
import { newId } from '../lib/ids';
import { runnersLog } from '../lib/log';
import type { RunnersStore } from './store';

/**
 * Returns the id. Data that was copied keeps none of its runners: they are the other router's, and are not touched. Data that
 * was moved keeps its id, and its runners are stopped at the first adoption: they write to the place that was.
 * @param place the database file, as the host of the platforms sees it.
 * @param isThere whether a file is at a path of that host, as far as this router can see.
 */
export async function installationAt(
  place: string,
  { installation, runners }: { installation: InstallationStore; runners: RunnersStore },
  isThere: (path: string) => boolean,
): Promise<string> {
  const id = await installation.keep('id', newId);
  const before = await installation.keep('place', () => place);
  if (before === place) return id;
  const isCopy = isThere(before);
  const now = isCopy ? newId() : id;
  // First, so that a crash in between does this again.
  await runners.deleteAll();
  await installation.put({ id: now, place });
  const event = isCopy ? 'installation.copied' : 'installation.moved';
  const note = isCopy
    ? `Runners labelled agent-stack.installation=${id} belong to the router at ${before} and are left alone.`
    : 'Its runners are stopped: they were started for the place that was.';
  runnersLog.warn({ from: before, to: place, note }, event);
  return now;
}
