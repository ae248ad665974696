/**
 * The platform of the memory driver: runners that live in this process, and methods by which tests cause failures. The
 * platform outlives every driver that `create()` makes, as a real platform outlives the router.
 */
import { DriverError, type DriverFault, type Health, type RunnerSpec, type StartContext } from '../driver';
import { echo } from './echo';

/** What `start` gives to a program: its address, its output, and a way to exit. */
export interface ProgramRuntime {
  /** Base URL of the program, without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Adds a line to the runner's output. */
  say(line: string): void;
  /** Ends the runner as if its process had exited; open answers break off. */
  exit(exitCode: number): void;
}

/** The program of a memory runner. It is called once per start and returns the function that answers requests. */
export type Program = (spec: RunnerSpec, runtime: ProgramRuntime) => (request: Request) => Response | Promise<Response>;

/** The calls of the driver that a test can hold, fail or count. */
type Verb = 'ping' | 'start' | 'inspect' | 'stop' | 'list' | 'prepare' | 'logs' | 'stats' | 'pause' | 'resume';

/** One call of the driver. `context` is set for `start` and `prepare`. */
export interface Call {
  readonly verb: Verb;
  /** Id of the runner, or the image for `prepare`. */
  readonly subject?: string;
  readonly context?: StartContext;
}

/** Runs before a call takes effect. It may wait, report progress, or throw; the call then rejects with the thrown error. */
type Interceptor = (call: Call) => void | Promise<void>;

export interface MemoryRunner {
  readonly spec: RunnerSpec;
  readonly url: string;
  readonly lines: string[];
  health: Health;
  close(): Promise<void>;
}

type Exit = Omit<Extract<Health, { state: 'exited' }>, 'state'>;

/** The runners of one installation, and the methods by which a test changes them. */
export interface MemoryPlatform {
  /** Runner id → runner, including runners that have exited and were not stopped. */
  readonly runners: ReadonlyMap<string, MemoryRunner>;
  /** Makes the runner exit by itself; its open answers break off. */
  crash(runnerId: string, exit?: Exit): void;
  /** Removes the runner without an exit: `inspect` then returns `gone`. */
  vanish(runnerId: string): void;
  /** Adds a line to a runner's output. */
  say(runnerId: string, line: string): void;
  /** Adds an interceptor to a verb; returns a function that removes it. */
  intercept(verb: Verb, interceptor: Interceptor): () => void;
  /** Calls of the verb wait until the returned function is called. */
  hold(verb: Verb): () => void;
  /** Calls of the verb reject with this fault until the returned function is called. */
  fail(verb: Verb, fault: DriverFault, message?: string): () => void;
  /**
   * When false, the platform does not answer: `inspect` returns `unknown`, all other calls reject with the fault
   * `unavailable`.
   */
  available: boolean;
  /** Number of calls of this verb since the start of the process or the last `reset()`. */
  calls(verb: Verb): number;
  /** Ends all runners and forgets interceptors and counts. */
  reset(): Promise<void>;
}

type Listener = (runnerId: string, health: Health) => void;

/** The side of the platform that the driver uses. */
export interface DriverSide extends MemoryPlatform {
  readonly runners: Map<string, MemoryRunner>;
  readonly listeners: Set<Listener>;
  /** Images that `prepare` has fetched. */
  readonly images: Set<string>;
  enter(call: Call): Promise<void>;
  change(runnerId: string, health: Health): void;
}

const programs = new Map<string, Program>([['echo', echo]]);
const platforms = new Map<string, DriverSide>();

/**
 * Registers a program under the name that `backendOptions.program` uses; returns a function that removes it. A later
 * registration of the same name replaces the earlier one.
 */
export function registerProgram(name: string, program: Program): () => void {
  programs.set(name, program);
  return () => void programs.delete(name);
}

export function findProgram(name: string): Program | undefined {
  return programs.get(name);
}

/** Returns the platform of one installation. Tests control the driver through it. */
export function memoryPlatform(installationId: string): MemoryPlatform {
  return platformOf(installationId);
}

export function platformOf(installationId: string): DriverSide {
  const platform = platforms.get(installationId) ?? createPlatform();
  platforms.set(installationId, platform);
  return platform;
}

function createPlatform(): DriverSide {
  const interceptors = new Map<Verb, Set<Interceptor>>();
  const counts = new Map<Verb, number>();
  const platform: DriverSide = {
    runners: new Map(),
    listeners: new Set(),
    images: new Set(),
    available: true,
    calls: (verb) => counts.get(verb) ?? 0,
    async enter(call) {
      counts.set(call.verb, platform.calls(call.verb) + 1);
      for (const interceptor of interceptors.get(call.verb) ?? []) await interceptor(call);
      if (!platform.available) throw error('unavailable', 'the platform does not answer');
    },
    change(runnerId, health) {
      for (const listener of platform.listeners) listener(runnerId, health);
    },
    crash(runnerId, exit = { exitCode: 1 }) {
      const runner = getRunner(platform, runnerId);
      runner.health = { state: 'exited', ...exit };
      void runner.close();
      platform.change(runnerId, runner.health);
    },
    vanish(runnerId) {
      void getRunner(platform, runnerId).close();
      platform.runners.delete(runnerId);
      platform.change(runnerId, { state: 'gone' });
    },
    say: (runnerId, line) => void getRunner(platform, runnerId).lines.push(line),
    intercept(verb, interceptor) {
      const set = interceptors.get(verb) ?? new Set();
      interceptors.set(verb, set.add(interceptor));
      return () => void set.delete(interceptor);
    },
    hold(verb) {
      const gate = Promise.withResolvers<void>();
      const remove = platform.intercept(verb, () => gate.promise);
      return () => {
        remove();
        gate.resolve();
      };
    },
    fail: (verb, fault, message = `${verb} was told to fail`) =>
      platform.intercept(verb, () => {
        throw error(fault, message);
      }),
    async reset() {
      await Promise.all([...platform.runners.values()].map((runner) => runner.close()));
      platform.runners.clear();
      platform.images.clear();
      interceptors.clear();
      counts.clear();
      platform.available = true;
    },
  };
  return platform;
}

function getRunner(platform: DriverSide, runnerId: string): MemoryRunner {
  const runner = platform.runners.get(runnerId);
  if (runner === undefined) throw new Error(`the memory platform has no runner ${runnerId}`);
  return runner;
}

/** Makes a DriverError of the memory driver. `cause` takes the place of the answer of a real platform. */
export function error(fault: DriverFault, message: string, cause: unknown = new Error(message)): DriverError {
  return new DriverError('memory', fault, message, { cause });
}
