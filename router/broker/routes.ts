/**
 * The broker, on the internal listener: the LLM endpoint of runners. It identifies the runner by its key, resolves the
 * owner's current credentials, and passes the call on, so that a runner never holds them (laws 14 to 16).
 */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import { sha256 } from '../lib/ids';
import type { HeldRunner } from '../runners/slots/slot';
import { BrokerCall } from './call';
import type { BrokerDeps } from './deps';

export function brokerRoutes(deps: BrokerDeps) {
  return new Elysia({ name: 'broker' }).all(
    '/upstream/v1/*',
    async ({ request, params, server, set }) => {
      const held = holdRunner(deps, request);
      let call: BrokerCall;
      try {
        call = new BrokerCall(deps, held, request, set.headers as Record<string, string>);
      } catch (thrown) {
        held.hold.end();
        throw thrown;
      }
      try {
        const answer = await call.respond(params['*'], server);
        // The headers are in the answer already. Elysia would add them by making a new one from the stream of its body.
        set.headers = {};
        return answer;
      } catch (thrown) {
        return call.refuse(thrown);
      }
    },
    { parse: 'none' },
  );
}

/** Takes a lease on the runner whose key the request carries: the runner is busy while its upstream answers (law 4). */
function holdRunner(deps: BrokerDeps, request: Request): HeldRunner {
  const key = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  const workId = request.headers.get('x-agent-work');
  const held = key === undefined ? undefined : deps.runners.holdByKey(sha256(key), workId);
  if (held) return held;
  throw new AppError('signed_out', {
    message: 'That runner key is not known. A runner gets its key when it starts.',
  });
}
