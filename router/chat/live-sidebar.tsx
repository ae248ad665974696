/** What a live stream tells about everything around the conversation: runners, and the links of the sidebar. */
import type { JSX } from 'preact';
import { LiveConversationLink, LiveConversationRemove, LiveConversations, LiveRunner } from '../../views/chat/live';
import type { ConversationLink } from '../../views/models';
import type { RouterEvent } from '../lib/events';
import type { LiveDeps, LiveOptions } from './live-options';
import { conversationLink, runnerView } from './present';

/** Changed links that a page has not been told yet. Beyond it, the page is told all links, which are fewer than that. */
const LINKS_MAX = 1_000;

export class LiveSidebar {
  readonly #agents = new Set<string>();
  readonly #links = new Set<string>();
  #everyAgent = true;
  #everyLink = true;
  /** Of the links that the page that connects has. */
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
    const { who, conversation } = this.options;
    const [changed, isEvery, had] = [new Set(this.#links), this.#everyLink, this.#hadAtConnect];
    this.#links.clear();
    this.#everyLink = false;
    this.#hadAtConnect = undefined;
    if (changed.size === 0 && !isEvery) return [];
    const current = conversation ? { conversationId: conversation.row.id } : {};
    const rows = await this.deps.conversations.list(who.user.id);
    if (isEvery) {
      const links = rows.map((row) => ({ agentId: row.agentId, ...conversationLink(row, current) }));
      return linksMark(links) === had ? [] : this.#allLinks(links);
    }
    return [...changed].map((id) => {
      const row = rows.find((one) => one.id === id);
      if (!row) return <LiveConversationRemove conversationId={id} />;
      const isOnTop = rows.find(({ agentId }) => agentId === row.agentId) === row;
      const link = conversationLink(row, current);
      return <LiveConversationLink conversation={link} firstOf={isOnTop ? row.agentId : undefined} />;
    });
  }

  async #allLinks(links: readonly AgentLink[]): Promise<JSX.Element[]> {
    const agents = await this.deps.agents.list(this.options.who.user.id);
    return agents.map(({ id }) => (
      <LiveConversations agentId={id} links={links.filter(({ agentId }) => agentId === id)} />
    ));
  }
}

type AgentLink = ConversationLink & { readonly agentId: string };

/** Which links a page has, so that its stream need not tell them again. */
export function linksMark(links: readonly AgentLink[]): string {
  const byAgent = links.toSorted((a, b) => (a.agentId < b.agentId ? -1 : Number(a.agentId > b.agentId)));
  const shown = byAgent.map(({ agentId, id, title, streaming }) => [agentId, id, title, streaming]);
  return Bun.hash(JSON.stringify(shown)).toString(36);
}
