/** The route `/metrics` of the internal listener. Only a collector on this machine may read it. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import { hasRunnerKey } from '../lib/ids';
import type { Guard } from '../web/guard';
import type { MetricsService } from './metrics';
import type { Live } from './prometheus';

const LOOPBACK = /^(::ffff:)?127(\.\d{1,3}){3}$|^::1$/;

/** The counters, and the live values that are read when the collector asks. */
type MetricsRoutesDeps = Live & { readonly metrics: MetricsService };

/** @param guard refuses other host names: a page could point a name of its own at this machine. */
export function metricsRoutes(deps: MetricsRoutesDeps, guard: Guard) {
  return new Elysia({ name: 'metrics' }).get('/metrics', async ({ request, server }) => {
    guard.check(request);
    requireCollector(request, server?.requestIP(request)?.address);
    return new Response(await deps.metrics.text(deps), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
    });
  });
}

/** Throws `forbidden` for other machines and for runners: runners must not read the activity of all users. */
function requireCollector(request: Request, address: string | undefined): void {
  const isHere = address !== undefined && LOOPBACK.test(address);
  if (isHere && !hasRunnerKey(request.headers.get('authorization') ?? '')) return;
  throw new AppError('forbidden', {
    message:
      'Only a collector on the same machine may read metrics: call loopback, and do not send the key of a runner.',
  });
}
