/** Makes the parts of this subject. */
import type { UsersService } from '../accounts/users';
import type { AgentsStore } from '../agents/store';
import type { GenerationsService } from '../chat/generations';
import type { Config } from '../config/config';
import type { RunnersService } from '../runners/runners';
import type { RunnersStore } from '../runners/store';
import type { BudgetsService } from '../usage/budgets';
import { removalService } from './removal';

export function wireAdmin(uses: {
  config: Pick<Config, 'homesRoot'>;
  stores: { agents: AgentsStore; runners: RunnersStore };
  users: UsersService;
  runners: RunnersService;
  generations: GenerationsService;
  budgets: BudgetsService;
}) {
  const { config, stores, users, runners, generations, budgets } = uses;
  const removal = removalService({
    users,
    agents: stores.agents,
    runners,
    runnerRows: stores.runners,
    generations,
    budgets,
    homesRoot: config.homesRoot,
  });
  return { removal };
}
