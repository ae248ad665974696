/** One request to an agent's runner: the lease, the way there, and one more try when the runner has vanished. */
import type { Backend } from '../backends';
import { AppError } from '../errors';
import { open, UnreachableError } from '../http/relay';
import type { Agent } from '../stores/agents';
import { accessHeaders } from './readiness';
import type { Lease, RunnersService } from './runners';

export interface RunnerRequest {
  readonly agent: Agent;
  readonly backend: Backend;
  readonly method: string;
  /** Path and query on the runner, beginning with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
  /** A person asks for it again: a back-off after failed starts does not hold. */
  readonly explicit?: boolean;
}

/** What a runner answered. `lease` is the caller's to release when the body has ended. */
export interface RunnerAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly lease: Lease;
}

/** Throws what made the start fail, `runner_lost` when nobody answers, or the signal's reason. */
export async function callRunner(runners: RunnersService, request: RunnerRequest): Promise<RunnerAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    const lease = await runners.lease(request.agent, request);
    try {
      const { status, headers, body } = await open({
        url: lease.runner.url + request.path,
        method: request.method,
        headers: { ...request.headers, ...accessHeaders(request.backend, lease.runner.accessKey) },
        ...(request.body !== undefined && { body: request.body }),
        signal: request.signal,
      });
      return { status, headers, body, lease };
    } catch (error) {
      lease.release();
      if (!(error instanceof UnreachableError)) throw error;
      // A runner that is gone has taken nothing with it: the request goes to a new one, once (law 5).
      const lost = await runners.isLost(lease.runner);
      if (!lost || attempt > 1) {
        throw new AppError('runner_lost', {
          message: 'The agent closed the connection without an answer.',
          cause: error,
        });
      }
    }
  }
}
