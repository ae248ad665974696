/**
 * Traces by OpenTelemetry, for an operator who has set a collector. Off, a request costs one look at a variable, and the
 * SDK is not loaded. As the loggers, the tracer belongs to the process and not to its parts.
 */

/** What a span is about; no text of messages, no keys, no names of people. */
type SpanFacts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Span {
  /** W3C Trace Context, for the server that is called: `traceparent`, and `tracestate` where there is one. */
  readonly headers: Readonly<Record<string, string>>;
  /** @param isFailed the span is marked as an error. */
  end(facts: SpanFacts, isFailed: boolean): void;
}

/** @param more.isCold whether the runner has to be started first. */
export function answerFacts(
  agent: { readonly id: string; readonly backend: string },
  { path, isCold }: { readonly path: string; readonly isCold?: boolean },
): SpanFacts {
  return {
    'agent_stack.backend': agent.backend,
    'agent_stack.agent': agent.id,
    'agent_stack.cold_start': isCold,
    'url.path': `/v1/${path}`,
  };
}

/** Facts about an answer that has ended. @param error why it has failed, or was stopped. */
export function endedFacts(
  { answeredMs, status }: { readonly answeredMs: number | undefined; readonly status: number | undefined },
  { ending, bytes }: { readonly ending: string; readonly bytes: number },
  error: { readonly code: string; readonly status: number } | undefined,
): SpanFacts {
  return {
    'agent_stack.ending': ending,
    'agent_stack.answered_ms': answeredMs,
    'agent_stack.bytes': bytes,
    'http.response.status_code': status ?? error?.status,
    'error.type': ending === 'failed' ? error?.code : undefined,
  };
}

/** The trace that a request belongs to, as its sender says: W3C Trace Context. */
export interface Caller {
  get(name: string): string | null;
}

export type BeginSpan = (name: string, kind: 'server' | 'client', caller: Caller, facts: SpanFacts) => Span;

let tracer: BeginSpan | undefined;

/** Whether tracing is on. If it is off, callers need not make the facts of a span. */
export function isTracing(): boolean {
  return tracer !== undefined;
}

/** Begins a span. Undefined while tracing is off. */
export function beginSpan(...span: Parameters<BeginSpan>): Span | undefined {
  return tracer?.(...span);
}

/** A caller of which the headers are known. */
export const callerWith = (headers: Readonly<Record<string, string>> = {}): Caller => ({
  get: (name) => headers[name] ?? null,
});

export interface TracingOptions {
  /** Base URL of the collector's OTLP over HTTP. */
  readonly endpoint: string;
  readonly serviceName: string;
  /** Share of the traces without a caller of their own that are recorded, from 0 to 1. */
  readonly ratio: number;
}

/** Turns tracing on. @returns a function that sends the remaining spans and turns it off. */
export async function startTracing(options: TracingOptions | undefined): Promise<AsyncDisposable | undefined> {
  if (!options) return undefined;
  const { createTracer } = await import('./tracing-sdk');
  const { begin, stop } = createTracer(options);
  tracer = begin;
  return {
    async [Symbol.asyncDispose]() {
      tracer = undefined;
      await stop();
    },
  };
}
