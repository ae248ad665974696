/** Passes on the answer of a runner that came in time, with its status and headers. */
import { isLastingRefusal } from '../lib/errors';
import type { Body } from '../net/body';
import { refusalIn } from '../runners/refusals';
import { longBody } from '../web/answers/held-body';
import type { Bytes } from './asked';
import type { Exchange } from './exchange';
import type { Plan } from './plan';

/** The head of a runner's answer, and its body for the client. */
export interface Passed {
  readonly by: Exchange;
  readonly plan: Plan;
  readonly status: number;
  /** Headers of the answer itself. */
  readonly own: Record<string, string>;
  readonly body: Body;
  readonly isEvents: boolean;
}

/** Passes the body on as a stream. */
export function passStream(_: unknown, { by, plan, status, own, body, isEvents }: Passed): Response {
  const { relay, stream } = by.opened(plan, isEvents);
  relay.attach(body);
  return by.answer(stream, status, own);
}

/** Passes the body on in one piece. */
export function passWhole(bytes: Bytes, { by, status, own }: Passed): Response {
  if (status >= 400 && isLastingRefusal(refusalIn(status, Buffer.from(bytes).toString())))
    own['x-should-retry'] = 'false';
  const { forBody, asked } = by;
  return by.answer(forBody ? longBody(bytes, forBody, asked.incoming) : bytes, status, own);
}
