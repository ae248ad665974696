/** The tracer on OpenTelemetry's SDK, which sends spans in batches. Loaded only when tracing is on. */
import { DiagLogLevel, diag, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { version } from '../../package.json';
import { processLog } from './log';
import { within } from './time';
import type { BeginSpan, Caller, TracingOptions } from './tracing';

/** A collector that does not answer must not keep the router from ending. */
const STOP_MS = 2_000;
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT };

export function createTracer({ endpoint, serviceName, ratio }: TracingOptions): {
  readonly begin: BeginSpan;
  readonly stop: () => Promise<void>;
} {
  const silent = () => undefined;
  // The SDK's own words, such as that the collector cannot be reached.
  const error = (message: string) => processLog.warn({ problem: message.slice(0, 1_000) }, 'tracing.failed');
  diag.setLogger({ error, warn: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.ERROR);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }) }),
    ],
  });
  const tracer = provider.getTracer('agent-stack', version);
  const propagator = new W3CTraceContextPropagator();
  const getter = { get: (caller: Caller, name: string) => caller.get(name) ?? undefined, keys: () => [] };
  const setter = {
    set(headers: Record<string, string>, name: string, value: string) {
      headers[name] = value;
    },
  };

  return {
    begin(name, kind, caller, attributes) {
      const parent = propagator.extract(ROOT_CONTEXT, caller, getter);
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, parent);
      const headers: Record<string, string> = {};
      propagator.inject(trace.setSpan(parent, span), headers, setter);
      return {
        headers,
        end(facts, isFailed) {
          span.setAttributes(facts);
          if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    stop: async () => {
      await within(
        STOP_MS,
        provider.shutdown().catch(() => undefined),
      );
    },
  };
}
