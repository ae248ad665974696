/**
 * The driver contract: how the router asks a platform to host runners.
 *
 * A driver is mechanism only. The router decides when to start a runner, which runner to stop and what "ready" means; a
 * driver must not have a policy of its own. An optional method that is absent means that the driver lacks the capability.
 * `drivers/README.md` explains the contract with a complete small driver, `drivers/conformance.ts` tests it. The contract stays
 * one file, because a driver outside of this repository has its own copy of it.
 */
import type { Static, TObject } from '@sinclair/typebox';

/**
 * Name of the label that holds the id of the installation that started the runner. Every runner carries this label.
 * Drivers read the name from `services.installationLabel`.
 */
export const INSTALLATION_LABEL = 'agent-stack.installation';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The runner that the router wants. Plain data with every decision made: the driver adds no defaults of its own. */
export interface RunnerSpec {
  /** Idempotency key of `start()`: the id of this runner. */
  readonly id: string;
  /** Platform-safe and unique. Derived from ids, never from text that a user typed. */
  readonly name: string;
  /** Image to run, for drivers that have images. */
  readonly image?: string;
  /** Runs in the home. The first word may be a name, such as `bun`. */
  readonly command: readonly string[];
  /**
   * Contains secrets: never log it, never put it into an error or a process title. It has neither `PATH` nor `HOME`: a
   * driver whose platform sets none adds them.
   */
  readonly env: Readonly<Record<string, string>>;
  /**
   * `source` is the path of the agent's home on the router's machine, where the router writes files before each start and
   * shows them. `target` is the path of the home inside the runner; a driver that mounts nothing ignores it.
   */
  readonly home: {
    readonly source: string;
    /** Path of the home on the platform's host. Set when the router itself runs in a container. */
    readonly hostSource?: string;
    readonly target: string;
    /** Owner of the home, to whom the router has given it. */
    readonly uid?: number;
    readonly gid?: number;
  };
  /**
   * Port at which the agent listens inside the runner. A driver whose runners share the host's network picks another port
   * and passes it in the environment as `PORT`.
   */
  readonly port: number;
  /** A driver that cannot enforce one of them ignores it, and says so in its documentation. */
  readonly limits: {
    readonly memoryBytes?: number;
    readonly cpus?: number;
    readonly pids?: number;
  };
  /** Labels that prove ownership. `list()` returns exactly the runners that carry the label of the installation. */
  readonly labels: Readonly<Record<string, string>>;
  /** The backend's `driver_options`, already validated against the plugin's `backendOptions`. */
  readonly options: Readonly<Record<string, Json>>;
  /**
   * Host name inside the runner. It is the same for every runner of an agent, because some agents store it in a lock
   * file in their home.
   */
  readonly hostname?: string;
  /**
   * User that the runner runs as, in the notation of the platform (`1000`, `1000:1000`, a name). Absent: the user of
   * the image.
   */
  readonly user?: string;
  /** Prefix of `name` on the platform, for people who read lists of containers. Drivers never search by it. */
  readonly namePrefix?: string;
  /** Used only by drivers that have networks of their own; other drivers ignore it. */
  readonly network?: RunnerNetwork;
}

export interface RunnerNetwork {
  /**
   * `bridge` (the default): the driver's own network. `host`: the network of the host. Else the name of an existing
   * network.
   */
  readonly mode?: string;
  /** Further networks that the runner joins before it starts. A missing network fails the start. */
  readonly extra?: readonly string[];
  /** Host name → address, as in `/etc/hosts`. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Addresses of name servers. */
  readonly dns?: readonly string[];
}

/**
 * What a driver needs to find its runner again after a restart of the router. The router stores it as JSON and never
 * reads it. A handle points to one life of a runner: a runner that somebody has restarted on the platform has a new life,
 * and the life of the handle is over.
 */
export type Handle = { readonly [key: string]: Json };

export type Health =
  /** `url` is the current address of the runner; absent when the address cannot change. */
  | { readonly state: 'running'; readonly startedAtMs?: number; readonly url?: string }
  /** The runner exists but does not run: the router or somebody else has paused it. */
  | { readonly state: 'paused' }
  /** The runner ended by itself. The fields give the cause, as far as the platform knows it. */
  | {
      readonly state: 'exited';
      readonly exitCode?: number;
      readonly signal?: string;
      readonly outOfMemory?: boolean;
      /** Further words of the platform about the end, as a part of a sentence. */
      readonly reason?: string;
    }
  /** The platform says that the runner does not exist. */
  | { readonly state: 'gone' }
  /** The platform did not answer. The router keeps the last known state and asks again. Never use it for `gone`. */
  | { readonly state: 'unknown'; readonly reason: string };

/** A running runner. `url` is the address to which the router connects: `http://`, host, port, and no more. */
export interface Started<H extends Handle = Handle> {
  readonly handle: H;
  readonly url: string;
}

/**
 * A runner that was found by its labels, also one that has exited, if the platform still knows it. `url` is set while the
 * runner runs or is paused.
 */
export interface Owned<H extends Handle = Handle> {
  readonly runnerId: string;
  readonly handle: H;
  readonly health: Health;
  readonly url?: string;
}

export interface HealthChange {
  readonly runnerId: string;
  readonly health: Health;
}

/** A step of a start. `percent` (0 to 100) is the progress of this stage; absent when it is unknown. */
export interface StartProgress {
  readonly stage: 'pull' | 'create' | 'start';
  readonly percent?: number;
  readonly message: string;
}

export interface StartContext {
  readonly signal: AbortSignal;
  progress(step: StartProgress): void;
}

export interface PrepareContext extends StartContext {
  /** Fetches the image also where it is present: its tag may name a newer one by now. */
  readonly isAnew?: boolean;
}

/** How a runner of this driver reaches the router's internal listener. */
export interface RouterAddress {
  /** Base URL by which a runner reaches the router, without a trailing slash. */
  readonly url: string;
  /** Address of the host on which the internal listener must listen, so that `url` works. */
  readonly listenHost: string;
}

export interface RunnerStats {
  /** Percent of one CPU: 150 means one and a half CPUs. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
}

export interface Driver<H extends Handle = Handle> {
  readonly name: string;
  /**
   * URLs at which the platform takes commands over the network. Who reaches one owns the platform, so the router never
   * calls it for a user. Absent: there is none.
   */
  readonly platformUrls?: readonly string[];
  /** Resolves when the platform answers. */
  ping(signal: AbortSignal): Promise<void>;
  /** Returns the name and the version of the platform, such as `Docker Engine 28.1.0`. Absent where there is no product. */
  version?(signal: AbortSignal): Promise<string>;
  /**
   * Returns how a runner reaches the router's internal listener, which listens on `port`. The address may depend on the
   * network of the runner, so pass `runner`. Without `runner` the address is for a runner with default network and options.
   */
  routerAddress(
    port: number,
    signal: AbortSignal,
    runner?: Pick<RunnerSpec, 'network' | 'options'>,
  ): Promise<RouterAddress>;
  /** Resolves when the process runs: not as soon as it is requested, and not only when it answers HTTP. */
  start(spec: RunnerSpec, context: StartContext): Promise<Started<H>>;
  inspect(handle: H, signal: AbortSignal): Promise<Health>;
  /** Idempotent. Ends the runner by force after `graceMs`. When `stop` has resolved, `inspect` returns `gone`. */
  stop(handle: H, options: { readonly graceMs: number }): Promise<void>;
  list(signal: AbortSignal): Promise<readonly Owned<H>[]>;
  /**
   * Freezes a running runner, which keeps its memory, connections and address, and takes no CPU. Idempotent, and succeeds
   * for a runner that is gone. Absent where the platform cannot; a driver that has it has `resume` too.
   */
  pause?(handle: H, signal: AbortSignal): Promise<void>;
  /** Lets a paused runner go on. Idempotent like `pause`. Absent where nobody can pause one. */
  resume?(handle: H, signal: AbortSignal): Promise<void>;
  /**
   * Fetches the image that `start` needs; the router gives it a time limit of its own. Reports no progress when the image
   * is present already, unless it is fetched anew. Absent when the driver has nothing to fetch.
   */
  prepare?(image: string, context: PrepareContext): Promise<void>;
  /** Returns the last lines of the runner's output, oldest first, also after the runner has exited. */
  logs?(handle: H, options: { readonly tailLines: number; readonly signal: AbortSignal }): Promise<readonly string[]>;
  /** Yields each change of health when it happens, until the signal aborts. Reconnects to the platform by itself. */
  watch?(signal: AbortSignal): AsyncIterable<HealthChange>;
  /**
   * Returns the CPU in use since the last call for this runner, so the first call has none, and the memory in use now.
   * Empty for a runner that does not run.
   */
  stats?(handle: H, signal: AbortSignal): Promise<RunnerStats>;
  /** Closes connections, timers and watches. Does not stop runners: they outlive the router. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/**
 * Why a driver failed; `drivers/README.md` says what the router does after each fault. The router adds `wrong_answer` itself, for
 * a method that resolves with something else than it should.
 */
export type DriverFault =
  | 'unavailable'
  | 'image_missing'
  | 'name_taken'
  | 'no_capacity'
  | 'start_failed'
  | 'timeout'
  | 'wrong_answer';

/**
 * The only error with which a driver rejects. Users read `message`, and their programs `hint` too, which is meant for the
 * administrator; `cause` is only in the log. None of them contains a value of `env`.
 */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  constructor(
    readonly driver: string,
    readonly fault: DriverFault,
    message: string,
    options: { readonly cause: unknown; readonly hint?: string },
  ) {
    super(`[${driver}] ${message}`, { cause: options.cause });
    this.hint = options.hint;
  }
  /** What the administrator can do about it. */
  readonly hint: string | undefined;
}

/** What the router gives to a driver. A driver reaches nothing else of the router. */
export interface DriverServices {
  /** Id of this installation. Because of it two routers on one machine never touch each other's runners. */
  readonly installationId: string;
  /** Name of the label that holds `installationId` in `RunnerSpec.labels`. */
  readonly installationLabel: string;
  /**
   * An existing directory (mode 0700) that only this driver uses, for example for logs. No backup has it, so nothing
   * without which `list` would not find a runner belongs there.
   */
  readonly stateDir: string;
  /** Host ports from which a driver picks the ports of its runners. Absent: the kernel picks. */
  readonly portRange?: { readonly start: number; readonly end: number };
  /** `event` is `noun.verb`; fields are plain data without secrets. */
  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, Json>>): void;
}

/** The default export of a driver's `index.ts`. Option schemas refuse unknown keys. */
export interface DriverPlugin<
  Options extends TObject = TObject,
  BackendOptions extends TObject = TObject,
  H extends Handle = Handle,
> {
  readonly name: string;
  readonly summary: string;
  /** The product that must run on the machine, by the name that people know, for example `Docker`. Absent: none. */
  readonly platform?: string;
  /**
   * Whether runners are isolated from the router and from other runners. When false, the driver may run only the backends
   * that `backends.json` marks `"trusted": true`.
   */
  readonly isolates: boolean;
  /** Schema of the options of the driver itself. They come from `DRIVER_OPTIONS`, a JSON object keyed by driver name. */
  readonly options: Options;
  /** Schema of the options of one backend. They come from its `driver_options`. */
  readonly backendOptions: BackendOptions;
  create(options: Static<Options>, services: DriverServices): Driver<H> | Promise<Driver<H>>;
}

/** Returns the plugin unchanged. Its type parameters give `create` the types of the option schemas. */
export function defineDriver<Options extends TObject, BackendOptions extends TObject, H extends Handle>(
  plugin: DriverPlugin<Options, BackendOptions, H>,
): DriverPlugin<Options, BackendOptions, H> {
  return plugin;
}
