/** The parts of other subjects that the broker uses. `app.ts` provides them. */
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { Allowance } from '../lib/allowance';
import type { MetricsService } from '../metrics/metrics';
import type { RunnersService } from '../runners/runners';
import type { LimitsService } from '../usage/limits';
import type { MeteringService } from '../usage/metering';
import type { OpenStreams } from '../web/streams/open-streams';
import type { Hops } from './hops';
import type { UpstreamsService } from './upstreams';

export interface BrokerDeps {
  readonly config: Pick<Config, 'maxBodyBytes'>;
  readonly backends: BackendRegistry;
  /** The bytes that all requests and answers hold together. */
  readonly held: Allowance;
  readonly hops: Hops;
  readonly limits: LimitsService;
  readonly metering: MeteringService;
  readonly metrics: MetricsService;
  readonly runners: RunnersService;
  readonly streams: OpenStreams;
  readonly upstreams: UpstreamsService;
}
