/** Makes the parts of this subject. */
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import { agentsService } from './agents';
import { homesHealth } from './home-check';
import { idleService } from './idle';
import type { IdleStore } from './idle-store';
import type { AgentsStore } from './store';

export function wireAgents(uses: {
  config: Pick<Config, 'homesRoot' | 'idle' | 'maxAgentsPerBackend'>;
  stores: { agents: AgentsStore; idle: IdleStore };
  backends: BackendRegistry;
  now: () => number;
}) {
  const { config, stores, backends, now } = uses;
  return {
    agents: agentsService({ agents: stores.agents, backends, maxPerBackend: config.maxAgentsPerBackend, now }),
    homes: homesHealth({ homesRoot: config.homesRoot, backends }),
    idle: idleService({ idle: stores.idle, backends, limits: config.idle }),
  };
}
