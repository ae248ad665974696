/** Support for tests of runners: actions of people, programs with switches, and a clock that is set by hand. */
import type { RunnerSpec } from '../../drivers/driver';
import type { ProgramRuntime } from '../../drivers/memory';
import { type Person, program, type TestRouter } from './router';

/** A runner as `GET /api/runners` lists it. */
interface ListedRunner {
  readonly agent_id: string;
  readonly backend: string;
  readonly container_name: string;
  readonly host_port: number;
  readonly idle_seconds: number;
  readonly idle_for_seconds: number;
  readonly stops_in_seconds: number | null;
  readonly state: string;
  readonly running: boolean;
  readonly stale: boolean;
}

/** A frame of `GET /api/runners/{backend}/progress`. */
export interface ProgressFrame {
  readonly stage: string;
  readonly progress: number;
  readonly message: string;
  readonly detail: { readonly agent_id: string; readonly state: string; readonly hint?: string };
}

export function say(person: Person, content: string, more: object = {}): Promise<Response> {
  const body = { model: 'echo', messages: [{ role: 'user', content }], ...more };
  return person.request('/v1/chat/completions', { method: 'POST', body });
}

export function start(person: Person, backend = 'echo'): Promise<Response> {
  return person.request(`/api/runners/${backend}/start`, { method: 'POST' });
}

export async function stop(person: Person, backend = 'echo'): Promise<boolean> {
  const response = await person.request(`/api/runners/${backend}`, { method: 'DELETE' });
  return ((await response.json()) as { stopped: boolean }).stopped;
}

export async function list(person: Person): Promise<readonly ListedRunner[]> {
  const response = await person.request('/api/runners');
  return ((await response.json()) as { runners: ListedRunner[] }).runners;
}

/** The problem+json of a refusal. */
export async function problemOf(response: Response): Promise<{ detail: string; code: string; hint?: string }> {
  return (await response.json()) as { detail: string; code: string; hint?: string };
}

/** The only runner on the memory platform. */
export function theRunner(router: TestRouter) {
  const [runner, ...others] = [...router.platform.runners.values()];
  if (!runner || others.length > 0) throw new Error(`There are ${router.platform.runners.size} runners, not one`);
  return runner;
}

/** The state of the person's default agent of a backend. */
export async function statusOf(router: TestRouter, person: Person, backend = 'echo') {
  const found = router.context.backends.find(backend);
  if (!found) throw new Error(`There is no backend ${backend}`);
  return router.context.runners.status((await router.context.agents.defaultOf(person.id, found)).id);
}

/** Every frame of a progress stream, until it ends. */
export async function* framesOf(person: Person, backend = 'echo'): AsyncGenerator<ProgressFrame> {
  const response = await person.request(`/api/runners/${backend}/progress`);
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) if (event.startsWith('data: ')) yield JSON.parse(event.slice('data: '.length));
  }
}

/** A program for memory runners that is controlled by its switches, which it reads at each request. */
export interface Script {
  /** For `driver_options.program`, or `memoryBackend(…, …, name)`. */
  readonly name: string;
  ready: boolean;
  /** Number of health checks. */
  probes: number;
  /** The environment of the newest runner. */
  spec: RunnerSpec | undefined;
  runtime: ProgramRuntime | undefined;
  /** Answers chat requests. */
  answer: (request: Request) => Response | Promise<Response>;
}

export function switchable(name: string, options: Partial<Pick<Script, 'ready' | 'answer'>> = {}): Script {
  const script: Script = {
    name,
    ready: true,
    probes: 0,
    spec: undefined,
    runtime: undefined,
    answer: () => Response.json({ choices: [{ index: 0, message: { role: 'assistant', content: 'scripted' } }] }),
    ...options,
  };
  program(name, (spec, runtime) => {
    script.spec = spec;
    script.runtime = runtime;
    return (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/v1/chat/completions') return script.answer(request);
      script.probes += 1;
      return new Response(script.ready ? 'ok' : 'not yet', { status: script.ready ? 200 : 503 });
    };
  });
  return script;
}

/**
 * A clock that stands still until it is set by hand. It begins at the present, because sessions are checked with the
 * real one.
 */
export function handClock() {
  let nowMs = Date.now();
  return {
    now: () => nowMs,
    advanceSeconds(seconds: number): void {
      nowMs += seconds * 1000;
    },
  };
}

/** How many leases hold the router's runners. */
export function leasesOf({ context }: TestRouter): number {
  return context.runners.running().reduce((sum, { status }) => sum + status.leases, 0);
}
