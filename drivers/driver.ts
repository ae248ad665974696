/**
 * The driver contract: how the router asks a platform to host runners.
 *
 * A driver is mechanism only. When to start, whom to stop and what "ready" means are decided by the router; a driver
 * that grows a policy of its own is wrong. A method that is absent is a capability that is absent.
 * `drivers/README.md` teaches the contract with a complete small driver, `drivers/conformance.ts` proves it.
 */
import type { Static, TObject } from '@sinclair/typebox';

/** The label of every runner whose value is the id of the installation that started it. Drivers are given it as `services.installationLabel`. */
export const INSTALLATION_LABEL = 'agent-stack.installation';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What the router asks for. Plain data, already decided: the driver adds nothing of its own. */
export interface RunnerSpec {
  /** Idempotency key of `start()`: the id of this runner. */
  readonly id: string;
  /** Platform-safe and unique, derived from ids, never from anything a user typed. */
  readonly name: string;
  /** Image to run, for drivers that have images. */
  readonly image?: string;
  readonly command: readonly string[];
  /** Contains secrets: never log it, never put it into an error or a process title. */
  readonly env: Readonly<Record<string, string>>;
  /** `source` is the agent's home on the router's machine, `target` the path at which the runner wants to see it. */
  readonly home: {
    readonly source: string;
    /** The same home as the platform's host sees it, where the router itself runs in a container. */
    readonly hostSource?: string;
    readonly target: string;
    readonly uid?: number;
    readonly gid?: number;
  };
  /** Port at which the agent listens where it runs. A driver that shares the host's network picks another and passes it as `PORT`. */
  readonly port: number;
  readonly limits: {
    readonly memoryBytes?: number;
    readonly cpus?: number;
    readonly pids?: number;
  };
  /** Ownership marks. `list()` returns exactly the runners that carry the installation's. */
  readonly labels: Readonly<Record<string, string>>;
  /** The backend's `driver_options`, already checked against the plugin's `backendOptions`. */
  readonly options: Readonly<Record<string, Json>>;
  /** The runner's own host name. The same for every runner of an agent: some agents tie a lock in their home to it. */
  readonly hostname?: string;
  /** User the runner runs as, as its platform writes it (`1000`, `1000:1000`, a name). Absent: the image's own. */
  readonly user?: string;
  /** Put before `name` on the platform, for people who read lists. Nothing is ever found by it. */
  readonly namePrefix?: string;
  /** For drivers with networks of their own; without them it has no meaning. */
  readonly network?: RunnerNetwork;
}

export interface RunnerNetwork {
  /** `bridge` (also when absent): the driver's own network. `host`: the host's. Else the name of a network that exists. */
  readonly mode?: string;
  /** Further networks, joined before the runner starts. One that is absent fails the start. */
  readonly extra?: readonly string[];
  /** Address by host name, as in `/etc/hosts`. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Addresses of name servers. */
  readonly dns?: readonly string[];
}

/** What a driver needs to find its runner again after the router restarts. Stored as JSON, opaque to the router. */
export type Handle = { readonly [key: string]: Json };

export type Health =
  | { readonly state: 'running'; readonly startedAtMs?: number }
  /** Ended by itself. Where the platform knows why, it says so. */
  | {
      readonly state: 'exited';
      readonly exitCode?: number;
      readonly signal?: string;
      readonly outOfMemory?: boolean;
    }
  /** Surely not there. */
  | { readonly state: 'gone' }
  /** The platform did not answer: keep what you know and ask again. Never the same as `gone`. */
  | { readonly state: 'unknown'; readonly reason: string };

/** A runner that runs. `url` is where the router connects to it. */
export interface Started<H extends Handle = Handle> {
  readonly handle: H;
  readonly url: string;
}

/** A runner found by its labels. `url` is there when it runs. */
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

/** A step of a start. `percent` (0 to 100) is of this stage, absent where it cannot be known. */
export interface StartProgress {
  readonly stage: 'pull' | 'create' | 'start';
  readonly percent?: number;
  readonly message: string;
}

export interface StartContext {
  readonly signal: AbortSignal;
  progress(step: StartProgress): void;
}

/** How a runner of this driver reaches the router's internal listener. */
export interface RouterAddress {
  /** Base URL as seen by a runner, without a trailing slash. */
  readonly url: string;
  /** Address of the host on which the internal listener must listen for that to work. */
  readonly listenHost: string;
}

export interface RunnerStats {
  /** Of one CPU: 150 means one and a half. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
}

export interface Driver<H extends Handle = Handle> {
  readonly name: string;
  /** Resolves when the platform answers. */
  ping(signal: AbortSignal): Promise<void>;
  /**
   * How runners reach the router's internal listener, which listens on `port`. Runners of different networks may have
   * different ways: `runner` is what decides it, and absent it is the way of one that asks for nothing special.
   */
  routerAddress(
    port: number,
    signal: AbortSignal,
    runner?: Pick<RunnerSpec, 'network' | 'options'>,
  ): Promise<RouterAddress>;
  /** Resolves when the process runs: not when it is merely requested, and not when it answers HTTP. */
  start(spec: RunnerSpec, context: StartContext): Promise<Started<H>>;
  inspect(handle: H, signal: AbortSignal): Promise<Health>;
  /** Idempotent. After `graceMs` the runner is ended by force. When it resolves, `inspect` says `gone`. */
  stop(handle: H, options: { readonly graceMs: number }): Promise<void>;
  list(signal: AbortSignal): Promise<readonly Owned<H>[]>;
  /**
   * Fetches what `start` needs, on a clock of its own. What is there already is fetched without a word of progress.
   * Absent where there is nothing to fetch.
   */
  prepare?(image: string, context: StartContext): Promise<void>;
  /** The last lines of the runner's output, oldest first, also of one that has exited. */
  logs?(handle: H, options: { readonly tailLines: number; readonly signal: AbortSignal }): Promise<readonly string[]>;
  /** Changes of health as they happen, until the signal aborts. Reconnects by itself. */
  watch?(signal: AbortSignal): AsyncIterable<HealthChange>;
  stats?(handle: H, signal: AbortSignal): Promise<RunnerStats>;
  /** Lets go of connections, timers and watches. Runners stay: they outlive the router. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/** Why a driver failed, as the router tells it apart. */
export type DriverFault = 'unavailable' | 'image_missing' | 'name_taken' | 'no_capacity' | 'start_failed' | 'timeout';

/** The only error a driver rejects with. Its message never contains a value of `env`. */
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

/** What the router gives a driver. Nothing else of the router is reachable from one. */
export interface DriverServices {
  /** Id of this installation: two routers on one machine never touch each other's runners. */
  readonly installationId: string;
  /** The label under which `installationId` stands in `RunnerSpec.labels`. */
  readonly installationLabel: string;
  /** A directory of the driver's own (created, mode 0700) for logs and the like. */
  readonly stateDir: string;
  /** Ports from which a driver that publishes on the host chooses; absent: the kernel picks. */
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
  /** What has to be on the machine besides the driver, by the name people know it by. Absent: nothing. */
  readonly platform?: string;
  /**
   * Whether a runner is kept apart from the router and from other runners. One that is not may run only the backends
   * that `backends.json` marks `"trusted": true`.
   */
  readonly isolates: boolean;
  /** Options of the driver itself: `DRIVER_OPTIONS`, a JSON object by driver name. */
  readonly options: Options;
  /** Options of one backend: its `driver_options`. */
  readonly backendOptions: BackendOptions;
  create(options: Static<Options>, services: DriverServices): Driver<H> | Promise<Driver<H>>;
}

/** Types a plugin by its schemas; returns it unchanged. */
export function defineDriver<Options extends TObject, BackendOptions extends TObject, H extends Handle>(
  plugin: DriverPlugin<Options, BackendOptions, H>,
): DriverPlugin<Options, BackendOptions, H> {
  return plugin;
}
