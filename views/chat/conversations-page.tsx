import { AppLayout, TitleBar } from '../layout';
import type { ConversationList, Shell } from '../models';
import { useText } from '../render';
import { ConversationItems } from './sidebar/conversation-list';

/** A page of a list of conversations: the archived ones, or those that readers with scripts see in the sidebar. */
export function ConversationsPage({ shell, list }: { shell: Shell; list: ConversationList }) {
  const t = useText();
  const isArchive = list.shelf === 'archived';
  const title = isArchive ? t.sidebar.archived : t.sidebar.conversations;
  return (
    <AppLayout shell={shell} title={title}>
      <TitleBar>{title}</TitleBar>
      <div class="settings column">
        {isArchive && <p class="quiet">{list.links.length === 0 ? t.sidebar.noArchived : t.sidebar.archivedLead}</p>}
        {!isArchive && list.links.length + list.pinned.length === 0 && <p class="quiet">{t.sidebar.noConversations}</p>}
        <ul id={isArchive ? 'archived' : undefined} class="conversations">
          <ConversationItems list={list} isPage={!isArchive} />
        </ul>
      </div>
    </AppLayout>
  );
}
