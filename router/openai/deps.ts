/** The parts of other subjects that `/v1` uses. `app.ts` provides them. */
import type { RateLimitsService } from '../accounts/keys/limits';
import type { AgentsService } from '../agents/agents';
import type { BackendRegistry } from '../backends/backends';
import type { Hops } from '../broker/hops';
import type { AttachmentsService } from '../chat/attachments/attachments';
import type { ConversationsService } from '../chat/conversations';
import type { GenerationsService } from '../chat/generations/generations';
import type { Config } from '../config/config';
import type { Allowance, Share } from '../lib/allowance';
import type { Events } from '../lib/events';
import type { Soon } from '../lib/lookup';
import type { MetricsService } from '../metrics/metrics';
import type { RunnersService } from '../runners/runners';
import type { BudgetsService } from '../usage/budgets/budgets';
import type { OpenStreams } from '../web/streams/open-streams';
import type { Idempotency } from './idempotency';
import type { Plan } from './plan';

export interface OpenaiDeps {
  readonly config: Pick<Config, 'maxAnswerBytes' | 'maxBodyBytes' | 'responses'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly startedAtMs: number;
  readonly agents: AgentsService;
  readonly attachments: AttachmentsService;
  readonly backends: BackendRegistry;
  readonly budgets: BudgetsService;
  readonly conversations: ConversationsService;
  readonly events: Events;
  readonly generations: GenerationsService;
  /** The bytes that all requests and answers hold together. */
  readonly held: Allowance;
  readonly hops: Hops;
  readonly idempotency: Idempotency;
  readonly metrics: MetricsService;
  readonly rateLimits: RateLimitsService;
  readonly runners: RunnersService;
  readonly streams: OpenStreams;
}

/** What one request needs of them once it is planned. */
export type ExchangeDeps = Pick<
  OpenaiDeps,
  'events' | 'generations' | 'held' | 'hops' | 'metrics' | 'rateLimits' | 'runners' | 'streams'
>;

type Bytes = Uint8Array<ArrayBuffer>;

/** One request, and how it is planned. */
export interface ExchangeOptions {
  readonly request: Request;
  /** The answer goes on when the client leaves; otherwise the runner's request is aborted (law 9). */
  readonly detach: boolean;
  /** What the answer says beside itself is put here, also that of a refusal. */
  readonly headers: Record<string, string | number>;
  /** Called before there is an answer, which has `headers` in it then: nobody else adds them. */
  onAnswer?(): void;
  /** Reads the body of the request. */
  read(share: Share): Soon<Bytes>;
  /** May be called twice. What the plan holds of `share` is given back at the end. */
  plan(bytes: Bytes, share: Share): Promise<Plan>;
  /** Called at the end of the answer. */
  onEnd(): void;
}
