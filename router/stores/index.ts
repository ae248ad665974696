/** All stores over one database. */
import { agentsStore } from './agents';
import { budgetsStore } from './budgets';
import { conversationsStore } from './conversations';
import type { Db } from './database';
import { installationStore } from './installation';
import { keysStore } from './keys';
import { runnersStore } from './runners';
import { sealedStore } from './sealed';
import { settingsStore } from './settings';
import { usageStore } from './usage';
import { usersStore } from './users';

export type Stores = ReturnType<typeof createStores>;

export function createStores(db: Db) {
  return {
    installation: installationStore(db),
    users: usersStore(db),
    keys: keysStore(db),
    agents: agentsStore(db),
    runners: runnersStore(db),
    conversations: conversationsStore(db),
    settings: settingsStore(db),
    sealed: sealedStore(db),
    usage: usageStore(db),
    budgets: budgetsStore(db),
  };
}
