/** The route of callbacks, on the internal listener: a runner proves with its token to which agent it belongs. */
import { Elysia } from 'elysia';
import { AppError } from '../../lib/errors';
import { sha256 } from '../../lib/ids';
import { parseBody } from '../../lib/json';
import type { RunnersService } from '../../runners/runners';
import type { HeldSender } from '../../runners/slots/slot';
import { readBody } from '../../web/bodies/read';
import type { CallbacksService } from './callbacks';

/** Bytes. A shorter body does not count against the memory for bodies. */
const EVENT_BYTES_MAX = 65_536;

interface CallbackRoutesDeps {
  readonly callbacks: CallbacksService;
  readonly runners: Pick<RunnersService, 'hasRunner' | 'holdByToken'>;
}

export function callbackRoutes({ callbacks, runners }: CallbackRoutesDeps) {
  return new Elysia({ name: 'callbacks' }).post(
    '/api/internal/agents/:id/event',
    async ({ request, params, server }) => {
      const held = holdRunner(runners, params.id, request);
      try {
        const read = async () => parseBody(await readBody(request, { maxBytes: EVENT_BYTES_MAX, listener: server }));
        return await callbacks.take(held, read);
      } finally {
        // Its idle time begins anew, so the reaper does not stop an agent in the middle of what it reports (law 4).
        held.hold.end();
      }
    },
    { parse: 'none' },
  );
}

/** Takes a lease on the agent's runner, whose token the request carries. */
function holdRunner(runners: CallbackRoutesDeps['runners'], agentId: string, request: Request): HeldSender {
  const token = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (token === undefined) {
    throw new AppError('signed_out', {
      message: 'Send the token of the agent, $AGENT_STACK_RUNNER_API_KEY, as "Authorization: Bearer <token>".',
    });
  }
  const held = runners.holdByToken(agentId, sha256(token));
  if (held) return held;
  if (runners.hasRunner(agentId)) {
    throw new AppError('forbidden', {
      message:
        'This is not the token of this agent. The agent gets a new one at each start: read it from its environment.',
    });
  }
  throw new AppError('not_found', {
    message: 'This agent does not run, or does not exist. A token is good for one run of its agent.',
  });
}
