/**
 * The id of this installation, which every runner carries as a label. The id belongs to one place, so that two routers
 * never take each other's runners: a copy of the data that is started elsewhere gets a new id.
 */
import type { InstallationStore } from '../database/installation-store';
import { newId } from '../lib/ids';
import { runnersLog } from '../lib/log';
import type { RunnersStore } from './store';

/**
 * Returns the id. Copied data gets a new id and forgets its runners: they belong to the other router and are not
 * touched. Moved data keeps its id, and the first adoption stops its runners, because they write to the old place.
 * @param place the path of the database file on the host of the platforms.
 * @param isThere whether a file exists at a path of that host, as far as this router can see.
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
  // Before the place is stored, so that a crash in between repeats this.
  await runners.deleteAll();
  await installation.put({ id: now, place });
  const event = isCopy ? 'installation.copied' : 'installation.moved';
  const note = isCopy
    ? `Runners labelled agent-stack.installation=${id} belong to the router at ${before} and are left alone.`
    : 'Its runners are stopped: they were started for the place that was.';
  runnersLog.warn({ from: before, to: place, note }, event);
  return now;
}
