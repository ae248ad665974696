/** Makes the parts of this subject. */

import type { InvitationsService } from '../accounts/links/invitations';
import type { UserLimitsService } from '../accounts/users/limits';
import type { UsersService } from '../accounts/users/users';
import type { AgentsService } from '../agents/agents';
import type { AuditService } from '../audit/audit';
import type { ConversationsService } from '../chat/conversations';
import type { GenerationsService } from '../chat/generations/generations';
import type { Config } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import type { InstallationStore } from '../database/installation-store';
import type { RunnersService } from '../runners/runners';
import type { RunnersStore } from '../runners/store';
import type { BudgetsService } from '../usage/budgets/budgets';
import type { Clients } from '../web/clients';
import { diskUseService } from './overview/disk-use';
import { logReads } from './runners/log-reads';
import { startService } from './start/start';
import { removalService } from './users/removal';

/** @param owned ends what works in the background. */
export function wireAdmin(
  uses: {
    config: Pick<Config, 'dataRoot' | 'homesRoot' | 'retention'>;
    audit: AuditService;
    clients: Clients;
    now: () => number;
    steady: () => number;
    stores: { installation: InstallationStore; runners: RunnersStore };
    conversations: ConversationsService;
    credentials: CredentialsService;
    invitations: InvitationsService;
    agents: AgentsService;
    users: UsersService;
    runners: RunnersService;
    generations: GenerationsService;
    budgets: BudgetsService;
    userLimits: UserLimitsService;
  },
  owned: AsyncDisposableStack,
) {
  const { config, stores } = uses;
  const { dataRoot, homesRoot, retention } = config;
  const removal = removalService({ ...uses, runnerRows: stores.runners, homesRoot, keptMs: retention.deletedUsersMs });
  const diskUse = owned.use(diskUseService({ ...uses, dataRoot, homesRoot }));
  const start = startService({ ...uses, installation: stores.installation });
  return { diskUse, logReads: logReads(uses), removal, start };
}
