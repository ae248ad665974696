/** The stores of all subjects, which context.ts hands to them. */
import { keysStore } from './accounts/keys/store';
import { linksStore } from './accounts/links/store';
import { sessionsStore } from './accounts/sessions/store';
import { limitsStore } from './accounts/users/limits-store';
import { usersStore } from './accounts/users/store';
import { idleStore } from './agents/idle-store';
import { ownStore } from './agents/own-store';
import { agentsStore } from './agents/store';
import { auditStore } from './audit/store';
import { conversationsApiStore } from './chat/api/store';
import { attachmentsStore } from './chat/attachments/store';
import { callbacksStore } from './chat/callbacks/store';
import { searchStore } from './chat/search/store';
import { conversationsStore } from './chat/store/conversations';
import { settingsStore } from './credentials/store';
import type { Db } from './database/database';
import { installationStore } from './database/installation-store';
import { sealedStore } from './database/sealed-store';
import { runnersStore } from './runners/store';
import { schedulesStore } from './schedules/store';
import { budgetsStore } from './usage/store/budgets';
import { usageStore } from './usage/store/calls';

/** All stores over one database. */
export function createStores(db: Db) {
  return {
    installation: installationStore(db),
    audit: auditStore(db),
    users: usersStore(db),
    sessions: sessionsStore(db),
    keys: keysStore(db),
    links: linksStore(db),
    limits: limitsStore(db),
    agents: agentsStore(db),
    idle: idleStore(db),
    own: ownStore(db),
    runners: runnersStore(db),
    conversations: conversationsStore(db),
    conversationsApi: conversationsApiStore(db),
    callbacks: callbacksStore(db),
    search: searchStore(db),
    schedules: schedulesStore(db),
    attachments: attachmentsStore(db),
    settings: settingsStore(db),
    sealed: sealedStore(db),
    usage: usageStore(db),
    budgets: budgetsStore(db),
  };
}
