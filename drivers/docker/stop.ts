/** Stops a runner: sends it SIGTERM, ends it by force after the grace period, and removes the container. */
import { find } from './engine';
import {
  type DockerHandle,
  type DriverParts,
  findContainer,
  letGoOn,
  notOurs,
  removeContainer,
  setAside,
} from './runners';

/** How long the engine may take beyond the grace period. */
const engineMs = 30_000;

/**
 * Does nothing when the container is gone. Rejects with `name_taken` for a container without our labels, and leaves it
 * alone.
 */
export async function stopRunner(parts: DriverParts, handle: DockerHandle, graceMs: number): Promise<void> {
  const { docker, known, stopping } = parts;
  const id = handle.containerId;
  const signal = AbortSignal.timeout(graceMs + engineMs);
  const found = await findContainer(parts, handle, signal);
  if (found === undefined) return void known.delete(id);
  if (!found.isOurs) throw notOurs(handle);
  stopping.add(id);
  try {
    // The engine ends the container after the grace period, even if the router ends before that.
    const t = Math.ceil(graceMs / 1000);
    // Some engines cannot end a paused container.
    await letGoOn(parts, found.info, signal);
    if (found.info.State.Running && t > 0) {
      await find(signal, async (abortSignal) =>
        (await docker()).getContainer(id).stop({ t, abortSignal }).catch(unlessStopped),
      );
    }
    await removeContainer(parts, id, signal).catch((error) => setAside(parts, handle, error, signal));
  } finally {
    stopping.delete(id);
  }
}

/** 304: the container has ended by itself meanwhile. */
function unlessStopped(error: { statusCode?: number }): void {
  if (error.statusCode !== 304) throw error;
}
