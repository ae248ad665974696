/**
 * Fetches images. All callers that wait for the same image share one pull; it is aborted when the last of them gives
 * up.
 */
import type { PrepareContext, StartProgress } from '../driver';
import {
  callEngine,
  type Engine,
  failure,
  find,
  messageOf,
  objectsOf,
  refuseAborted,
  statusOf,
  toFailure,
} from './engine';
import { createPullProgress, type PullEvent } from './pull-progress';
import { createSignIns, registryOf } from './sign-ins';

type Progress = (step: StartProgress) => void;

/** `agent-stack/<name>` is built from the folder `images/<name>`. It is not published anywhere. */
const ownImage = /^agent-stack\/([\w.-]+)/;

interface Pull {
  readonly done: Promise<void>;
  readonly listeners: Set<Progress>;
  readonly controller: AbortController;
  /** The last step, for callers that join later. */
  last: StartProgress | undefined;
}

/**
 * Makes `prepare`. Rejects with the fault `image_missing` and the command to run when the image cannot be fetched.
 * @param authFile Path of a file in the format of `docker login`.
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
    // Starts in the next microtask, because `tell` uses `pull`.
    const done = Promise.resolve().then(() => fetchImage(docker, { image, signIns, tell, signal: controller.signal }));
    const pull: Pull = { done, listeners, controller, last: undefined };
    const end = () => pulls.get(image) === pull && pulls.delete(image);
    done.then(end, end);
    pulls.set(image, pull);
    return pull;
  };

  return async (image: string, { signal, progress, isAnew = false }: PrepareContext): Promise<void> => {
    const build = buildCommand(image);
    // An image that was built on this machine cannot be fetched.
    if ((!isAnew || build !== undefined) && (await isPresent(docker, image, signal))) return;
    refuseAborted(signal);
    // Never fetched: anybody could register that name on a public registry, and their image would run here.
    if (build !== undefined) {
      const hint = `In the folder of agent-stack: ${build}`;
      throw failure('image_missing', `the image ${image} has not been built on this machine yet`, { image }, hint);
    }
    const pull = pulls.get(image) ?? begin(image);
    // A new function per caller, because two callers may pass the same one and the Set would keep it once.
    const listener: Progress = (step) => progress(step);
    pull.listeners.add(listener);
    if (pull.last !== undefined) progress(pull.last);
    try {
      await callEngine(signal, () => pull.done);
    } finally {
      pull.listeners.delete(listener);
      if (pull.listeners.size === 0) {
        pull.controller.abort();
        // A caller that comes now must not join an aborted pull.
        if (pulls.get(image) === pull) pulls.delete(image);
      }
    }
  };
}

/** Returns the command that builds one of our own images; undefined for every other image. */
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
      // The engine answers 200 before it knows the outcome, and reports errors in the stream.
      if (event.error !== undefined) throw Object.assign(new Error(event.error), { statusCode: 500 });
      const next = step(event);
      if (next !== undefined) tell(next);
    }
    if (!(await isPresent(docker, image, signal))) throw Object.assign(new Error('not found'), { statusCode: 404 });
  } catch (error) {
    if (statusOf(error) === undefined) throw toFailure(error);
    // The text that dockerode adds before the engine's message when the engine answers a stream with an error.
    throw pullFailure(image, messageOf(error).replace(/^\(HTTP code \d+\) .*? - /, ''));
  }
  tell({ stage: 'pull', percent: 100, message: `Fetched ${image}` });
}

const isRefused = /unauthorized|authentication required|denied|no basic auth|forbidden|incorrect username/i;
const isAbsent = /not found|manifest unknown|name unknown|no such image|does not exist|no matching manifest/i;

/** The engine's reasons differ only in their text. */
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
