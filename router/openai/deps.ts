/** The parts of other subjects that `/v1` uses. `app.ts` provides them. */
import type { RateLimitsService } from '../accounts/keys/limits';
import type { AgentsService } from '../agents/agents';
import type { BackendRegistry } from '../backends/backends';
import type { Hops } from '../broker/hops';
import type { AttachmentsService } from '../chat/attachments/attachments';
import type { ConversationsService } from '../chat/conversations';
import type { GenerationsService } from '../chat/generations/generations';
import type { Config } from '../config/config';
import type { Allowance } from '../lib/allowance';
import type { Events } from '../lib/events';
import type { MetricsService } from '../metrics/metrics';
import type { RunnersService } from '../runners/runners';
import type { BudgetsService } from '../usage/budgets/budgets';
import type { OpenStreams } from '../web/streams/open-streams';
import type { Idempotency } from './idempotency';

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
