/** Makes the parts of this subject. */
import { COPY_CODE_ID } from '../../views/layout';
import type { Config } from '../config/config';
import { Allowance } from '../lib/allowance';
import type { Events } from '../lib/events';
import { createClients } from './clients';
import { createDraining } from './health/draining';
import { type RenderingTimes, renderingService } from './rendering/rendering';
import { createOpenStreams } from './streams/open-streams';

interface WebDeps {
  readonly config: Pick<Config, 'held' | 'requests' | 'trustedProxies'>;
  readonly events: Events;
  readonly renderingTimes?: RenderingTimes;
}

/** @param owned ends the threads that render. */
export function wireWeb({ config, events, renderingTimes }: WebDeps, owned: AsyncDisposableStack) {
  const requests = new Allowance(config.requests);
  return {
    clients: createClients(config.trustedProxies),
    /** Bytes of long bodies and answers that are in memory at once. */
    held: new Allowance(config.held),
    requests,
    draining: createDraining(),
    streams: createOpenStreams(events, requests),
    rendering: owned.use(renderingService({ copyCode: COPY_CODE_ID }, renderingTimes)),
  };
}
