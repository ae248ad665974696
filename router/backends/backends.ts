/** The backends: loaded from `backends.json`, reloaded when it changes, found by the model that a client names. */
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Json } from '../../drivers/driver';
import { AppError } from '../lib/errors';
import { processLog } from '../lib/log';
import { safely } from '../lib/safely';
import { missingMembers } from './missing-members';
import { parseEntries } from './parse';
import { toBackend } from './to-backend';

/** A kind of agent software, with its quirks as data. Names that end in `Ms` are milliseconds. */
export interface Backend {
  /** Also the model id under which clients request it. */
  readonly name: string;
  readonly displayName: string;
  readonly description?: string;
  /** Example messages, offered in a new conversation. */
  readonly suggestions: readonly string[];
  /** Shown, but not started. */
  readonly disabled: boolean;
  /** A driver's name, or `npm:` and a package. */
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, Json>>;
  /** May run on a driver that does not isolate its runners from each other. */
  readonly trusted: boolean;
  /** People may attach files to their messages; the runner is sent them as content parts. */
  readonly attachments: boolean;
  readonly image?: string;
  readonly containerPrefix?: string;
  readonly command: readonly string[];
  readonly internalPort: number;
  readonly healthPath: string;
  readonly readyPath: string;
  /** More model ids for this backend. */
  readonly extraModels: readonly string[];
  /** The environment variable that receives the key with which the router calls the runner. */
  readonly apiKeyEnv: string;
  readonly apiKeyHeader: string;
  /** Empty: the key is sent without a scheme. */
  readonly apiKeyScheme: string;
  readonly seedSubdir?: string;
  readonly mountTarget: string;
  /** Files of the seed that are rendered at each start; paths are relative to the home. */
  readonly templatedFiles: readonly string[];
  /** The templated file with the instructions that the runtime reads. Owners may replace them. */
  readonly instructionsFile?: string;
  readonly extraEnv: Readonly<Record<string, string>>;
  /** The variables that users may set for this backend: those of an upstream, and others. */
  readonly userOverridableEnv: readonly string[];
  /** The variables that users may set for one agent, and that it can do without. */
  readonly agentEnv: readonly string[];
  /** How the runner reaches its upstream: through the broker, or with the real address and key in its environment. */
  readonly credentials: 'broker' | 'inject';
  readonly user?: string;
  /** The owner of the files in a home; by default the router's own user. */
  readonly homeOwner?: { readonly uid: number; readonly gid: number };
  readonly networkMode: string;
  readonly extraHosts: Readonly<Record<string, string>>;
  readonly extraNetworks: readonly string[];
  readonly dns: readonly string[];
  readonly defaultIdleSeconds?: number;
  /** The variable whose value replaces the request's model. */
  readonly forwardModelEnv?: string;
  /**
   * Headers of every relayed request. Values may contain `${conversation}`, `${session}`, `${user}`, `${agent}` and
   * `${work}`.
   */
  readonly headers: Readonly<Record<string, string>>;
  /** Members that are added to the JSON body; the same variables except `${work}`. */
  readonly sessionBody: Readonly<Record<string, string>>;
  /** Members of a client's JSON body that are removed before the runner gets it. */
  readonly omitBody: readonly string[];
  /** Its streamed chats lack the first chunk with the role that OpenAI sends, so the router adds it. */
  readonly streamLacksRole: boolean;
  /** The `model` that the runner gets. If it is one of `extraModels`, the runner knows those ids, and gets the one asked for. */
  readonly model?: string;
  /** Tokens of a conversation and of one answer, for clients that read the list of models. */
  readonly contextWindow?: number;
  readonly maxTokens?: number;
  /**
   * Which messages of a chat the runner gets: all, in a conversation only the newest turn, or always one single
   * message.
   */
  readonly history: 'full' | 'last-turn' | 'one-message';
  /** The member of an earlier answer in which the runner gets what was thought for it. By default it gets no thoughts. */
  readonly historyReasoning?: 'reasoning_content' | 'reasoning';
  /** Paths below `/v1` that are allowed. A path that ends in `/*` allows everything below it. */
  readonly paths: readonly string[];
  readonly limits: { readonly memoryBytes?: number; readonly cpus?: number; readonly pids?: number };
  readonly timeouts: {
    readonly pullMs: number;
    readonly startMs: number;
    readonly readyMs?: number;
    /** The time limit for one answer of the health path or the ready path. */
    readonly healthMs: number;
    readonly stopGraceMs: number;
    /** Time limits: the silence before and within an answer, and the whole answer. */
    readonly firstByteMs: number;
    readonly betweenChunksMs: number;
    readonly totalMs: number;
  };
}

/** A model id as `/v1/models` lists it. A backend's name has a display name, its other ids do not. */
export interface Model {
  readonly id: string;
  /** Name of the backend. */
  readonly backend: string;
  readonly displayName?: string;
}

/** `problems` are lines that begin with the place in the file. */
export class BackendsError extends Error {
  override readonly name = 'BackendsError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** Returns the problems that keep valid backends from being served, one per line. */
type Check = (backends: readonly Backend[]) => Promise<readonly string[]>;

/** Milliseconds between two looks at the file, which is read when it was the same in both. */
const lookMs = 250;

export class BackendRegistry implements Disposable {
  #backends: readonly Backend[];
  #problem: string | undefined;
  #version: string;
  #looking: Timer | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(readonly path: string) {
    this.#version = versionOf(path);
    this.#backends = readBackends(path);
  }

  /** Throws a BackendsError that lists everything wrong with the file at `path`. */
  static load(path: string): BackendRegistry {
    return new BackendRegistry(path);
  }

  /** All backends in the order of the file, including disabled ones. */
  all(): readonly Backend[] {
    return this.#backends;
  }

  find(name: string): Backend | undefined {
    return this.#backends.find((backend) => backend.name === name);
  }

  /** The backend that a request names. Throws `not_found`. */
  get(name: string): Backend {
    const backend = this.find(name);
    if (!backend) throw new AppError('not_found', { message: `There is no backend "${name.slice(0, 100)}".` });
    return backend;
  }

  /** The backend of an agent. Throws `not_found` if `backends.json` no longer has it. */
  of({ backend: name }: { readonly backend: string }): Backend {
    const backend = this.find(name);
    if (!backend) throw new AppError('not_found', { message: `The backend "${name}" is no longer configured.` });
    return backend;
  }

  /** Finds the backend for `model`: its name, or one of its other ids. */
  forModel(model: string): Backend | undefined {
    for (const backend of this.#backends) {
      if (model === backend.name || backend.extraModels.includes(model)) return backend;
    }
    return undefined;
  }

  models(): readonly Model[] {
    return this.#backends.flatMap(({ name, displayName, extraModels }) => [
      { id: name, backend: name, displayName },
      ...extraModels.filter((id) => id !== name).map((id) => ({ id, backend: name })),
    ]);
  }

  /** The reason why the current file is not the one that is served. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Reads the file again whenever it changes. A valid file replaces all backends at once; an invalid file, or one that
   * `check` rejects, leaves the old backends in place and sets `problem`. Calls `onChange` in both cases.
   */
  watch(onChange: () => void, check: Check = async () => []): void {
    // By looking: a watched folder wakes the process for whatever else is written there, and a file that is mounted into a
    // container tells no folder of its changes.
    let seen = this.#version;
    const look = () => {
      const version = versionOf(this.path);
      // Editors write in several steps.
      const isSettled = version === seen;
      seen = version;
      if (isSettled && version !== this.#version) {
        this.#reloading = this.#reloading.then(() => this.#reload(onChange, check));
      }
    };
    this.#looking = setInterval(() => safely('backends', {}, look), lookMs);
    this.#looking.unref();
  }

  async #reload(onChange: () => void, check: Check): Promise<void> {
    const version = versionOf(this.path);
    if (version === this.#version) return;
    this.#version = version;
    try {
      const backends = readBackends(this.path);
      const problems = await check(backends);
      if (problems.length > 0) throw new BackendsError(problems);
      this.#backends = backends;
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
    }
    if (this.#looking) safely('backends', {}, onChange);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

/** Changes when the file changes; constant while the file does not exist. */
function versionOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? `${stats.ino} ${stats.mtimeMs} ${stats.size}` : 'none';
}

function readBackends(path: string): readonly Backend[] {
  let json: string;
  try {
    json = readFileSync(path, 'utf8');
  } catch (error) {
    throw new BackendsError([`${path}: cannot be read: ${error instanceof Error ? error.message : error}`]);
  }
  const { entries, problems } = parseEntries(basename(path), json);
  if (problems.length > 0) throw new BackendsError(problems);
  for (const missing of missingMembers(json)) processLog.warn(missing, 'backends.members_missing');
  return entries.map((entry) => toBackend(entry, dirname(path)));
}
