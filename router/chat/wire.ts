/** Makes the parts of this subject. */
import type { UsersStore } from '../accounts/users/store';
import type { AgentsStore } from '../agents/store';
import { blobFiles } from '../attachments/blobs';
import type { BackendRegistry } from '../backends/backends';
import type { Ask } from '../broker/ask';
import type { Config } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import type { Allowance } from '../lib/allowance';
import type { Events } from '../lib/events';
import type { MetricsService } from '../metrics/metrics';
import type { RunnersService } from '../runners/runners';
import type { BudgetsService } from '../usage/budgets/budgets';
import { postedService } from './api/posted';
import type { ConversationsApiStore } from './api/store';
import { attachmentsService } from './attachments/attachments';
import type { AttachmentsStore } from './attachments/store';
import { callbacksService } from './callbacks/callbacks';
import type { CallbacksStore } from './callbacks/store';
import { conversationsService } from './conversations';
import { generationsService } from './generations/generations';
import { createIndexing } from './search/indexing';
import { searchService } from './search/search';
import type { SearchStore } from './search/store';
import type { ConversationsStore } from './store/conversations';
import { titlesService } from './titles';
import { transferService } from './transfer/transfer';
import { unreadService } from './unread';
import { variantsService } from './variants';

export function wireChat(uses: {
  config: Pick<Config, 'maxAnswerBytes' | 'maxBodyBytes' | 'attachments' | 'attachmentsRoot' | 'databasePath'>;
  stores: {
    conversations: ConversationsStore;
    conversationsApi: ConversationsApiStore;
    callbacks: CallbacksStore;
    agents: AgentsStore;
    search: SearchStore;
    users: Pick<UsersStore, 'find'>;
    attachments: AttachmentsStore;
  };
  ask: Ask;
  backends: BackendRegistry;
  runners: RunnersService;
  credentials: CredentialsService;
  budgets: BudgetsService;
  events: Events;
  metrics: MetricsService;
  held: Allowance;
  requests: Allowance;
  now: () => number;
  steady: () => number;
  owned: AsyncDisposableStack;
}) {
  const { config, stores, backends, runners, credentials, budgets, events, metrics, held, requests, now, steady } =
    uses;
  const attachments = attachmentsService({
    ...{ store: stores.attachments, blobs: blobFiles(config.attachmentsRoot), config, now },
  });
  const unread = unreadService({ conversations: stores.conversations, events });
  const titles = titlesService({ ...uses, ...stores });
  const generations = generationsService({
    conversations: stores.conversations,
    isShown: unread.isShown,
    firstEnded: titles.nameSoon,
    agents: stores.agents,
    attachments,
    backends,
    runners,
    credentials,
    budgets,
    events,
    metrics,
    held,
    requests,
    maxAnswerBytes: config.maxAnswerBytes,
    now,
  });
  const conversations = conversationsService({
    ...{ conversations: stores.conversations, events, now },
    ...{ isAnswering: generations.isAnswering, written: generations.written, writtenOf: generations.writtenOf },
    isUnsaved: generations.isUnsaved,
  });
  const posted = postedService({
    attachments,
    conversations: stores.conversations,
    api: stores.conversationsApi,
    generations,
    events,
    now,
  });
  const transfer = transferService({ attachments, posted, api: stores.conversationsApi, events, now });
  const variants = variantsService({ attachments, conversations: stores.conversations, generations, events });
  const indexing = uses.owned.use(createIndexing(stores.search, config.databasePath));
  const search = searchService({ search: stores.search, indexing, writtenOf: generations.writtenOf });
  const { callbacks: callbacksStore, conversations: store } = stores;
  const callbacks = callbacksService({
    ...{ conversations: store, callbacks: callbacksStore, generations, unread, events, metrics, now, steady },
  });
  return { attachments, callbacks, conversations, generations, posted, transfer, search, titles, unread, variants };
}
