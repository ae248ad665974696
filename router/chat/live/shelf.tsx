/** What a page says when its own conversation is archived, deleted, or comes back. */
import type { JSX } from 'preact';
import { LiveArchived, LiveConversationBack, LiveConversationGone } from '../../../views/chat/live';
import { attachLimits, composerView } from '../pages/present';
import { shelfOf } from '../pages/present-list';
import type { Conversation } from '../store/conversations';
import type { LiveDeps, LiveOptions } from './options';

export class LiveShelf {
  /** Where it was last seen, and whether it is deleted now. */
  #shelf: Conversation['shelf'];
  #isGone = false;
  /** Whether the page says that it is archived; undefined for a page that was away. */
  #saysArchived: boolean | undefined;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
  ) {
    this.#shelf = options.conversation?.row.shelf ?? 'list';
    if (options.linksMark !== undefined) this.#saysArchived = this.#shelf === 'archived';
  }

  /** @param now the page's conversation as it is stored now; undefined when it is deleted. */
  async parts(now: Conversation | undefined): Promise<JSX.Element[]> {
    const { conversation } = this.options;
    if (!conversation) return [];
    const { row, agent } = conversation;
    const about = { agentId: agent.id, agentName: agent.name, conversationId: row.id };
    if (!now) {
      this.#isGone = true;
      const canUndo = (await this.deps.conversations.findDiscarded(row.userId, row.id)) !== undefined;
      return [<LiveConversationGone {...about} undoTo={canUndo ? shelfOf(this.#shelf) : undefined} />];
    }
    const isArchived = now.shelf === 'archived';
    const parts = [];
    if (this.#isGone) {
      const attach = attachLimits(this.deps, agent);
      parts.push(<LiveConversationBack {...about} attach={attach} composer={composerView()} />);
    }
    if (isArchived !== this.#saysArchived) {
      parts.push(<LiveArchived conversationId={row.id} isArchived={isArchived} />);
    }
    this.#isGone = false;
    this.#shelf = now.shelf;
    this.#saysArchived = isArchived;
    return parts;
  }
}
