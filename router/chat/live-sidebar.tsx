/** What a live stream tells about everything around the conversation: runners, and the links of the sidebar. */
import type { JSX } from 'preact';
import { LiveConversationLink, LiveRunner } from '../../views/chat/live';
import type { RouterEvent } from '../lib/events';
import type { LiveDeps, LiveOptions } from './live';
import { conversationLink, runnerView } from './present';

/**
 * An answer that ended while the page was away has left no event for its link. It was asked for lately, so its
 * conversation is among the last changed.
 */
const LINKS_AT_FIRST = 20;

export class LiveSidebar {
  readonly #agents = new Set<string>();
  readonly #links = new Set<string>();
  #isFirst = true;
  #everyAgent = true;

  constructor(
    readonly deps: LiveDeps,
    readonly options: LiveOptions,
  ) {}

  onEvent(event: RouterEvent): void {
    if (event.kind === 'runner') this.#agents.add(event.agentId);
    else if (event.kind === 'platforms') this.#everyAgent = true;
    // A link says whether an answer is being written there.
    else if ('conversationId' in event) this.#links.add(event.conversationId);
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
    const changed = new Set(this.#links);
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    this.#links.clear();
    if (changed.size === 0 && !isFirst) return [];
    const current = conversation ? { conversationId: conversation.row.id } : {};
    const rows = await this.deps.conversations.list(who.user.id);
    return rows
      .filter((row, index) => changed.has(row.id) || (isFirst && index < LINKS_AT_FIRST))
      .map((row) => <LiveConversationLink conversation={conversationLink(row, current)} />);
  }
}
