/** Fetches images: one pull per image however many wait for it, given up when the last of them has gone. */
import type { StartContext, StartProgress } from '../driver';
import { ask, type Engine, failure, find, messageOf, objectsOf, refuseAborted, statusOf, toFailure } from './engine';
import { createPullProgress, type PullEvent } from './pull-progress';
import { createSignIns, registryOf } from './sign-ins';

type Progress = (step: StartProgress) => void;

/** `agent-stack/<name>` is made from the folder `images/<name>`, and published nowhere. */
const ownImage = /^agent-stack\/([\w.-]+)/;

interface Pull {
  readonly done: Promise<void>;
  readonly listeners: Set<Progress>;
  readonly controller: AbortController;
  /** For those who come later. */
  last: StartProgress | undefined;
}

/**
 * Makes `prepare`. Rejects as `image_missing` when the image cannot be had, with what to type.
 * @param authFile as `docker login` writes it.
 */
export function createImages(docker: Engine, authFile: string) {
  const pulls = new Map<string, Pull>();
  const signIns = createSignIns(authFile);

  const begin = (image: string): Pull => {
    const controller = new AbortController();
    const listeners = new Set<Progress>();
    const tell = (step: StartProgress) => {
      pull.last = step;
      for (const listener of listeners) listener(step);
    };
    // Begins in the next turn, when `pull` is there to be told of.
    const done = Promise.resolve().then(() => fetchImage(docker, { image, signIns, tell, signal: controller.signal }));
    const pull: Pull = { done, listeners, controller, last: undefined };
    const end = () => pulls.get(image) === pull && pulls.delete(image);
    done.then(end, end);
    pulls.set(image, pull);
    return pull;
  };

  return async (image: string, { signal, progress }: StartContext): Promise<void> => {
    if (await isPresent(docker, image, signal)) return;
    refuseAborted(signal);
    const build = buildCommand(image);
    // Never fetched: whoever took the name on a public registry would get to run here.
    if (build !== undefined) {
      const hint = `In the folder of agent-stack: ${build}`;
      throw failure('image_missing', `the image ${image} has not been built on this machine yet`, { image }, hint);
    }
    const pull = pulls.get(image) ?? begin(image);
    // A function of its own for each who waits: two may pass the same one.
    const listener: Progress = (step) => progress(step);
    pull.listeners.add(listener);
    if (pull.last !== undefined) progress(pull.last);
    try {
      await ask(signal, () => pull.done);
    } finally {
      pull.listeners.delete(listener);
      if (pull.listeners.size === 0) {
        pull.controller.abort();
        // Whoever comes now is not to join a pull that is given up.
        if (pulls.get(image) === pull) pulls.delete(image);
      }
    }
  };
}

/** What to type for an image that is built and not fetched; undefined for every other. */
export function buildCommand(image: string): string | undefined {
  const name = ownImage.exec(image)?.[1];
  return name && `docker build -t ${image} images/${name}`;
}

async function isPresent(docker: Engine, image: string, signal: AbortSignal): Promise<boolean> {
  return (await find(signal, async () => (await docker()).getImage(image).inspect())) !== undefined;
}

interface Fetch {
  readonly image: string;
  readonly signIns: ReturnType<typeof createSignIns>;
  readonly signal: AbortSignal;
  tell(step: StartProgress): void;
}

async function fetchImage(docker: Engine, { image, signIns, signal, tell }: Fetch): Promise<void> {
  tell({ stage: 'pull', percent: 0, message: `Fetching ${image}` });
  const step = createPullProgress(image);
  try {
    const authconfig = await signIns(image);
    const auth = authconfig === undefined ? {} : { authconfig };
    const stream = await (await docker()).pull(image, { ...auth, abortSignal: signal });
    for await (const event of objectsOf<PullEvent>(stream)) {
      // The engine answers 200 before it knows, and tells of trouble in the stream.
      if (event.error !== undefined) throw Object.assign(new Error(event.error), { statusCode: 500 });
      const next = step(event);
      if (next !== undefined) tell(next);
    }
    if (!(await isPresent(docker, image, signal))) throw Object.assign(new Error('not found'), { statusCode: 404 });
  } catch (error) {
    if (statusOf(error) === undefined) throw toFailure(error);
    // What dockerode puts before the words of an engine that answers a stream with an error.
    throw pullFailure(image, messageOf(error).replace(/^\(HTTP code \d+\) .*? - /, ''));
  }
  tell({ stage: 'pull', percent: 100, message: `Fetched ${image}` });
}

const isRefused = /unauthorized|authentication required|denied|no basic auth|forbidden|incorrect username/i;
const isAbsent = /not found|manifest unknown|name unknown|no such image|does not exist|no matching manifest/i;

/** The engine tells reasons apart by their text alone. */
function pullFailure(image: string, said: string): Error {
  const registry = registryOf(image);
  const message = `the image ${image} could not be fetched: ${said}`;
  return failure('image_missing', message, { said }, hintFor());

  function hintFor(): string {
    if (isRefused.test(said)) {
      return `Is the name right? If it is private: docker login ${registry} && docker pull ${image}`;
    }
    if (isAbsent.test(said)) {
      return `Check the name and the tag in backends.json. To make it on this machine: docker build -t ${image} .`;
    }
    return `The engine does not reach ${registry}. Try: docker pull ${image}. Without a network: docker load`;
  }
}
