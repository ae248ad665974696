/** Makes the parts of this subject. */
import type { UserLimitsService } from '../accounts/user-limits';
import type { UsersService } from '../accounts/users';
import type { AgentsService } from '../agents/agents';
import type { GenerationsService } from '../chat/generations';
import type { Config } from '../config/config';
import type { RunnersService } from '../runners/runners';
import type { RunnersStore } from '../runners/store';
import type { BudgetsService } from '../usage/budgets';
import { removalService } from './removal';

export function wireAdmin(uses: {
  config: Pick<Config, 'homesRoot'>;
  stores: { runners: RunnersStore };
  agents: AgentsService;
  users: UsersService;
  runners: RunnersService;
  generations: GenerationsService;
  budgets: BudgetsService;
  userLimits: UserLimitsService;
}) {
  const { agents, config, stores, users, runners, generations, budgets, userLimits } = uses;
  const removal = removalService({
    users,
    agents,
    runners,
    runnerRows: stores.runners,
    generations,
    budgets,
    userLimits,
    homesRoot: config.homesRoot,
  });
  return { removal };
}
