/** Makes the parts of this subject. */
import type { UserLimitsService } from '../accounts/users/limits';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { Vault } from '../lib/vault';
import { agentsService } from './agents';
import { homesHealth } from './home-check';
import { idleService } from './idle';
import type { IdleStore } from './idle-store';
import { ownService } from './own';
import type { OwnStore } from './own-store';
import type { AgentsStore } from './store';

export function wireAgents(uses: {
  config: Pick<Config, 'homesRoot' | 'idle'>;
  stores: { agents: AgentsStore; idle: IdleStore; own: OwnStore };
  backends: BackendRegistry;
  vault: Vault;
  userLimits: UserLimitsService;
  now: () => number;
}) {
  const { config, stores, backends, vault, userLimits: limits, now } = uses;
  return {
    agents: agentsService({ agents: stores.agents, backends, limits, now }),
    homes: homesHealth({ homesRoot: config.homesRoot, backends }),
    own: ownService({ own: stores.own, vault }),
    idle: idleService({ idle: stores.idle, backends, limits: config.idle }),
  };
}
