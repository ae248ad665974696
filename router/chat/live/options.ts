/** The parameters of a live stream. */
import type { Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import type { CredentialsService } from '../../credentials/credentials';
import type { Events } from '../../lib/events';
import type { BudgetsService } from '../../usage/budgets/budgets';
import type { Incoming } from '../../web/patience';
import type { OpenStreams } from '../../web/streams/open-streams';
import type { ChatViewDeps } from '../pages/present';
import type { Conversation } from '../store/conversations';
import type { UnreadService } from '../unread';
import type { Seen } from './seen';

export interface LiveDeps extends ChatViewDeps {
  readonly budgets: Pick<BudgetsService, 'ownState'>;
  readonly credentials: CredentialsService;
  readonly events: Events;
  readonly streams: OpenStreams;
  readonly unread: UnreadService;
}

export interface LiveOptions extends Incoming {
  readonly who: Who;
  /** Absent on pages without a conversation, which get only the sidebar's changes. */
  readonly conversation?: { readonly row: Conversation; readonly agent: Agent };
  readonly seen?: Seen;
  /** The page shows older messages: it is not told of newer ones, which would be far from what it shows. */
  readonly isPast?: boolean;
  /** Whether the page says that the newest turn is not stored; absent for a page that was away. */
  readonly saysUnsaved?: boolean;
  /** Mark of the links that the page has (sidebar.tsx). */
  readonly linksMark?: string | undefined;
}
