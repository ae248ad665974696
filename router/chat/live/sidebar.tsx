/** The updates of a live stream outside the conversation: runners, and the links of the sidebar. */
import type { JSX } from 'preact';
import {
  LiveConversationLink,
  LiveConversationRemove,
  LiveConversations,
  LiveRunner,
  LiveTitle,
} from '../../../views/chat/sidebar/live';
import type { RouterEvent } from '../../lib/events';
import { textOf } from '../../web/reader';
import { conversationLink, conversationList, linksMark } from '../pages/present-list';
import { runnerView } from '../pages/present-runner';
import type { LiveDeps, LiveOptions } from './options';

/** Changed links that a page has not been sent yet. Beyond this number, the page is sent its first links anew. */
const LINKS_MAX = 1_000;

export class LiveSidebar {
  readonly #agents = new Set<string>();
  readonly #links = new Set<string>();
  #everyAgent = true;
  #everyLink = true;
  /** Mark of the links that the page had when it connected. */
  #hadAtConnect: string | undefined;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
  ) {
    this.#hadAtConnect = options.linksMark;
  }

  onEvent(event: RouterEvent): void {
    if (event.kind === 'runner') this.#agents.add(event.agentId);
    else if (event.kind === 'platforms') this.#everyAgent = true;
    // A link says whether an answer is being written there.
    else if ('conversationId' in event) this.#links.add(event.conversationId);
    if (this.#links.size <= LINKS_MAX) return;
    this.#links.clear();
    this.#everyLink = true;
  }

  /** Everything that changed since the last call. */
  async parts(): Promise<JSX.Element[]> {
    return [...(await this.#runnerParts()), ...(await this.#linkParts())];
  }

  async #runnerParts(): Promise<JSX.Element[]> {
    const { deps } = this;
    const { who } = this.options;
    const [changed, isEvery] = [new Set(this.#agents), this.#everyAgent];
    this.#agents.clear();
    this.#everyAgent = false;
    if (changed.size === 0 && !isEvery) return [];
    const agents = await deps.agents.list(who.user.id);
    return agents
      .filter(({ id }) => isEvery || changed.has(id))
      .map((agent) => <LiveRunner runner={runnerView(deps, who, agent)} />);
  }

  async #linkParts(): Promise<JSX.Element[]> {
    const { deps } = this;
    const { who, conversation, isPast } = this.options;
    const [changed, isEvery, had] = [[...this.#links], this.#everyLink, this.#hadAtConnect];
    this.#links.clear();
    this.#everyLink = false;
    this.#hadAtConnect = undefined;
    if (changed.length === 0 && !isEvery) return [];
    const current = conversation ? { conversationId: conversation.row.id, isPast } : {};
    const agents = await deps.agents.list(who.user.id);
    if (isEvery) {
      const list = await conversationList(deps, who, { agents, current });
      if (linksMark(list) === had) return [];
      const links = <LiveConversations list={list} />;
      if (!conversation) return [links];
      return [links, <LiveTitle title={conversation.row.title || textOf(who).conversation.untitled} />];
    }
    const rows = await Promise.all(
      changed.map(async (id) => ({ id, row: await deps.conversations.findListed(who.user.id, id) })),
    );
    return rows.map(({ id, row }) =>
      row ? (
        <LiveConversationLink conversation={conversationLink(who, row, agents, current)} />
      ) : (
        <LiveConversationRemove conversationId={id} />
      ),
    );
  }
}
