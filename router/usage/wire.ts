/** Makes the parts of this subject. */
import type { RateLimitsService } from '../accounts/keys/limits';
import type { KeysStore } from '../accounts/keys/store';
import type { UsersStore } from '../accounts/users/store';
import type { AgentsStore } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import type { Events } from '../lib/events';
import type { MetricsService } from '../metrics/metrics';
import { answerUseService } from './answers';
import { budgetsService } from './budgets/budgets';
import { limitsService } from './limits';
import { meteringService } from './metering';
import { pricesService } from './prices/prices';
import { usageService } from './reports/reports';
import type { BudgetsStore } from './store/budgets';
import type { UsageStore } from './store/calls';

/** Resolves when prices and budgets are read. */
export async function wireUsage(uses: {
  stores: { usage: UsageStore; budgets: BudgetsStore; users: UsersStore; agents: AgentsStore; keys: KeysStore };
  backends: BackendRegistry;
  rateLimits: RateLimitsService;
  events: Events;
  metrics: MetricsService;
  now: () => number;
}) {
  const { backends, rateLimits, events, metrics, now } = uses;
  const { usage: rows, budgets: budgetRows, users, agents, keys } = uses.stores;
  const prices = pricesService({ usage: rows });
  const budgets = budgetsService({ budgets: budgetRows, usage: rows, unwritten: () => metering.unwritten(), now });
  events.subscribeToAll(['revoked'], (_, event) => budgets.forget(event.credentialId));
  const limiters = [budgets, rateLimits];
  const limits = limitsService({ limiters, prices });
  const metering = meteringService({ usage: rows, prices, counters: limiters, metrics, now });
  await Promise.all([prices.load(), budgets.load()]);
  const usage = usageService({ usage: rows, users, agents, keys, backends, flush: metering.flush, now });
  const answerUse = answerUseService({ usage: rows, metering });
  return { prices, budgets, limits, metering, usage, answerUse };
}
