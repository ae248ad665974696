/** The interfaces between a relay and the request whose answer it passes on. */
import type { AppError } from '../lib/errors';
import type { Ending, Recorder } from './recorder';
import type { Silence } from './timeouts';

/** How an event stream ends that does not end with `[DONE]`. */
export interface OwnEnd {
  /** The events that end it early. */
  ending(error?: AppError): string;
  /** Whether the last event was sent. */
  isWhole(): boolean;
}

/** The request that is answered, as its relay sees it: it says how the answer is passed on, and is told of the end. */
export interface Relayed {
  /** Whether the body is server-sent events. Only then may comments and error events be written into it. */
  readonly events: boolean;
  /** Whether an event stream must end with `[DONE]`. Without it, the answer was cut off. */
  readonly expectDone: boolean;
  /** What happens when the client disconnects: abort the runner's request, or continue for the recorder (law 9). */
  readonly onClientGone: 'cancel' | 'detach';
  /** Aborts the request to the runner. */
  readonly abort: Pick<AbortController, 'abort'>;
  readonly recorder?: Recorder | undefined;
  /** Returns the error for the client when the body breaks off; `runner_lost` by default. May be asynchronous. */
  lost?(cause: unknown): AppError | Promise<AppError>;
  /** Set for a stream that does not end with `[DONE]`. */
  readonly ownEnd?: OwnEnd | undefined;
  /** Returns the text of the comment in a silent stream; `keep-alive` by default. */
  signOfLife?(): string;
  /** Returns whole events to write after a comment, or '', for clients that count events and ignore comments. */
  aliveEvents?(): string;
  /** Called with whether the relay waits for more of the answer, and when some arrives. */
  readonly silence?: Silence | undefined;
  /** Called exactly once, at the end. */
  onEnd(ending: Ending, bytes: number, error?: AppError): void;
}

/** The members of a begun answer that its life needs. */
export interface Answered {
  readonly status: number;
  /** The lease on the runner, which is held until the end. */
  readonly lease?: Held;
  /** Returns why the body broke off; `runner_lost` by default. */
  readonly lost?: (cause: unknown) => AppError | Promise<AppError>;
}

/** Something that a request holds until its end, such as a lease or a share of memory. */
export interface Held {
  end(): void;
}
