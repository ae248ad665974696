import { AppLayout, SidebarButton } from '../layout';
import type { ConversationList, Shell } from '../models';
import { useText } from '../render';
import { ConversationItems } from './conversation-list';

/** A page of the list of conversations, for readers without scripts: others see them all in the sidebar. */
export function ConversationsPage({ shell, list }: { shell: Shell; list: ConversationList }) {
  const t = useText();
  return (
    <AppLayout shell={shell} title={t.sidebar.conversations}>
      <header class="title-bar">
        <SidebarButton />
        <h1 class="ellipsis">{t.sidebar.conversations}</h1>
      </header>
      <div class="settings column">
        <ul class="conversations">
          <ConversationItems list={list} isPage />
        </ul>
      </div>
    </AppLayout>
  );
}
