/** Ends a runner: asks it to end, ends it by force after the grace, and removes what is left of it. */
import { find } from './engine';
import { type DockerHandle, findContainer, type Ground, letGoOn, notOurs, removeContainer, setAside } from './runners';

/** How long the engine may take beyond the grace. */
const engineMs = 30_000;

/** Does nothing for what is gone. Rejects as `name_taken` for a container without our labels, and leaves it alone. */
export async function stopRunner(ground: Ground, handle: DockerHandle, graceMs: number): Promise<void> {
  const { docker, known, stopping } = ground;
  const id = handle.containerId;
  const signal = AbortSignal.timeout(graceMs + engineMs);
  const found = await findContainer(ground, handle, signal);
  if (found === undefined) return void known.delete(id);
  if (!found.isOurs) throw notOurs(handle);
  stopping.add(id);
  try {
    // The engine goes on with its grace, also when the router does not live to see the end of it.
    const t = Math.ceil(graceMs / 1000);
    // Not every engine ends what is paused.
    await letGoOn(ground, found.info, signal);
    if (found.info.State.Running && t > 0) {
      await find(signal, async (abortSignal) =>
        (await docker()).getContainer(id).stop({ t, abortSignal }).catch(unlessStopped),
      );
    }
    await removeContainer(ground, id, signal).catch((error) => setAside(ground, handle, error, signal));
  } finally {
    stopping.delete(id);
  }
}

/** 304: it has ended by itself meanwhile. */
function unlessStopped(error: { statusCode?: number }): void {
  if (error.statusCode !== 304) throw error;
}
