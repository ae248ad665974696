/** The backends: loaded from `backends.json`, loaded again when it changes, found by the model a client asks for. */
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Json } from '../../drivers/driver';
import { processLog } from '../lib/log';
import { safely } from '../lib/safely';
import { type Entry, limitsOf, parseEntries, timeoutsOf } from './schema';

/** A kind of agent software, with its quirks as data. `Ms` is milliseconds. */
export interface Backend {
  /** Also the model id by which clients ask for it. */
  readonly name: string;
  readonly displayName: string;
  readonly description?: string;
  /** Messages to begin with, offered where a conversation starts. */
  readonly suggestions: readonly string[];
  /** Shown, but not started. */
  readonly disabled: boolean;
  /** A driver's name, or `npm:` and a package. */
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, Json>>;
  /** May run on a driver that does not keep its runners apart. */
  readonly trusted: boolean;
  readonly image?: string;
  readonly containerPrefix?: string;
  readonly command: readonly string[];
  readonly internalPort: number;
  readonly healthPath: string;
  readonly readyPath: string;
  /** Further model ids that mean this backend. */
  readonly extraModels: readonly string[];
  /** The variable that receives the key with which the router calls the runner. */
  readonly apiKeyEnv: string;
  readonly apiKeyHeader: string;
  /** Empty: the bare key. */
  readonly apiKeyScheme: string;
  readonly seedSubdir?: string;
  readonly mountTarget: string;
  /** Files of the seed that are rendered at each start, relative to the home. */
  readonly templatedFiles: readonly string[];
  readonly extraEnv: Readonly<Record<string, string>>;
  /** The variables that this backend needs of its users: those of an upstream, and any other. */
  readonly userOverridableEnv: readonly string[];
  /** How it gets its upstream: through the broker, or the real address and key in its environment. */
  readonly credentials: 'broker' | 'inject';
  readonly user?: string;
  readonly chownUid?: number;
  readonly chownGid?: number;
  readonly networkMode: string;
  readonly extraHosts: Readonly<Record<string, string>>;
  readonly extraNetworks: readonly string[];
  readonly dns: readonly string[];
  readonly defaultIdleSeconds?: number;
  /** The request's model is replaced by this variable's value. */
  readonly forwardModelEnv?: string;
  /** Sent with every relayed request. Values may contain `${conversation}`, `${session}`, `${user}`, `${agent}` and `${work}`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Members added to the JSON body, with the same variables but `${work}`. */
  readonly sessionBody: Readonly<Record<string, string>>;
  /** Members of a client's JSON body that the runner never sees. */
  readonly omitBody: readonly string[];
  /** Its streamed chats name no role, which OpenAI's begin with: they get a chunk that does. */
  readonly streamLacksRole: boolean;
  /** What the runner is sent as `model`. */
  readonly model?: string;
  /** Tokens of a conversation, and of one answer, for programs that ask for models. */
  readonly contextWindow?: number;
  readonly maxTokens?: number;
  /** How much of a chat the runner is sent: all of it, in a conversation the newest turn, or always a single message. */
  readonly history: 'full' | 'last-turn' | 'one-message';
  /** Allowed below `/v1`. One that ends in `/*` allows everything below it. */
  readonly paths: readonly string[];
  readonly limits: { readonly memoryBytes?: number; readonly cpus?: number; readonly pids?: number };
  readonly timeouts: {
    readonly pullMs: number;
    readonly startMs: number;
    readonly readyMs?: number;
    /** How long one answer of its health or ready path may take. */
    readonly healthMs: number;
    readonly stopGraceMs: number;
    /** How long a runner may be silent before and within an answer, and an answer may take. */
    readonly firstByteMs: number;
    readonly betweenChunksMs: number;
    readonly totalMs: number;
  };
}

/** A model id as `/v1/models` lists it. The name of a backend comes with its display name, a further id without. */
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

/** Says what keeps backends that are fine by themselves from being served, one problem a line. */
type Check = (backends: readonly Backend[]) => Promise<readonly string[]>;

/** Editors write in several steps: the file is read once it has stayed the same for this long. */
const settleMs = 50;

export class BackendRegistry implements Disposable {
  #backends: readonly Backend[];
  #problem: string | undefined;
  #version: string;
  #watcher: FSWatcher | undefined;
  #settling: Timer | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(readonly path: string) {
    this.#version = versionOf(path);
    this.#backends = readBackends(path);
  }

  /** Throws a BackendsError that lists everything wrong with the file at `path`. */
  static load(path: string): BackendRegistry {
    return new BackendRegistry(path);
  }

  /** In the order of the file, also the disabled ones. */
  all(): readonly Backend[] {
    return this.#backends;
  }

  find(name: string): Backend | undefined {
    return this.#backends.find((backend) => backend.name === name);
  }

  /** The backend a client means by `model`: its name, one of its further ids, or anything below `<name>/`. */
  forModel(model: string): Backend | undefined {
    return this.#backends.find(
      ({ name, extraModels }) => model === name || extraModels.includes(model) || model.startsWith(`${name}/`),
    );
  }

  models(): readonly Model[] {
    return this.#backends.flatMap(({ name, displayName, extraModels }) => [
      { id: name, backend: name, displayName },
      ...extraModels.filter((id) => id !== name).map((id) => ({ id, backend: name })),
    ]);
  }

  /** Why the file as it is now is not the one being served. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Reads the file again whenever it changes. A good one is swapped in whole; a bad one, or one that `check` objects to,
   * leaves the old one serving and sets `problem`. `onChange` is called after either.
   */
  watch(onChange: () => void, check: Check = async () => []): void {
    const look = () => {
      if (this.#settling) return;
      const seen = versionOf(this.path);
      const settled = () => {
        this.#settling = undefined;
        if (versionOf(this.path) !== seen) look();
        else this.#reloading = this.#reloading.then(() => this.#reload(onChange, check));
      };
      this.#settling = setTimeout(() => safely('backends', {}, settled), settleMs);
    };
    // The folder, not the file: editors write another file and rename it over this one.
    this.#watcher = watch(dirname(this.path), { persistent: false }, () => safely('backends', {}, look));
    this.#watcher.on('error', (error) => processLog.error({ err: error }, 'backends.not_watched'));
    look();
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
    if (this.#watcher) safely('backends', {}, onChange);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#settling);
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

/** Changes when the file does; the same for as long as there is none. */
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
  return entries.map((entry) => toBackend(entry, dirname(path)));
}

/** `text` with every `${name}` replaced by the variable of that name; unknown ones stay as they are. */
export function fillIn(text: string, variables: Readonly<Record<string, string | undefined>>): string {
  return text.replace(/\$\{(\w+)\}/g, (whole, name: string) => variables[name] ?? whole);
}

function toBackend({ cmd, limits, timeouts, ...entry }: Entry, folder: string): Backend {
  const chownGid = entry.chown_gid ?? entry.chown_uid;
  return Object.freeze({
    ...camelCased(entry),
    ...(chownGid !== undefined && { chownGid }),
    displayName: entry.display_name ?? entry.name,
    command: cmd.map((part) => fillIn(part, { BACKENDS_DIR: folder })),
    limits: limitsOf(limits),
    timeouts: timeoutsOf(timeouts),
  });
}

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;
type CamelCased<T> = { [Name in keyof T as Camel<Name & string>]: T[Name] };

function camelCased<T extends object>(entry: T): CamelCased<T> {
  const rename = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [rename(name), value])) as CamelCased<T>;
}
