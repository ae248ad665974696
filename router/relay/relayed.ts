/** What a relay and the life of a request know of each other. */
import type { AppError } from '../lib/errors';
import type { Ending, Recorder } from './recorder';
import type { Silence } from './timeouts';

/** The end of an event stream by rules of its own. */
export interface OwnEnd {
  /** The events that end it early. */
  ending(error?: AppError): string;
  /** Whether the last event was sent. */
  isWhole(): boolean;
}

/** What an answer belongs to: the request that is answered, which says how, and is told of the end. */
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
  /** The end of a stream, if that is not `[DONE]`. */
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

/** What a request holds until its end. */
export interface Held {
  end(): void;
}
