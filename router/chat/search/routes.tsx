/** The search page, and its results for the dialog. */
import { Elysia, t } from 'elysia';
import type { SearchView } from '../../../views/chat/models';
import { SearchResults } from '../../../views/chat/sidebar/search';
import { SearchPage } from '../../../views/chat/sidebar/search-page';
import type { Shell } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import { excerptOf, marked } from '../../lib/search-text';
import { isPartRequest, page, part } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import type { SearchService } from './search';

interface SearchRoutesDeps {
  readonly agents: AgentsService;
  readonly search: SearchService;
  readonly shell: (who: Who) => Promise<Shell>;
}

export function searchRoutes(deps: SearchRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'search' }).use(session).get(
    '/search',
    async ({ who, request, query }) => {
      const search = await searchView(deps, who, query.q ?? '', query.before);
      if (isPartRequest(request)) return part(who, <SearchResults search={search} />);
      return page(who, <SearchPage shell={await deps.shell(who)} search={search} />);
    },
    { session: true, query: t.Object({ q: t.Optional(t.String()), before: t.Optional(t.Integer({ minimum: 0 })) }) },
  );
}

async function searchView(deps: SearchRoutesDeps, who: Who, query: string, before?: number): Promise<SearchView> {
  const { terms, hits, next, isIncomplete } = await deps.search.find(who.user.id, query, before);
  const names = new Map((await deps.agents.list(who.user.id)).map(({ id, name }) => [id, name]));
  return {
    query,
    hits: hits.map(({ agentId, atMs, content, conversationId, messageId, shelf, title }) => ({
      href: messageId === null ? `/conversations/${conversationId}` : `/messages/${messageId}`,
      agent: { id: agentId, name: names.get(agentId) ?? '' },
      atMs,
      isArchived: shelf === 'archived',
      title: marked(title || textOf(who).conversation.untitled, terms),
      excerpt: messageId === null ? [] : excerptOf(content, terms),
    })),
    ...(next !== undefined && { moreHref: `/search?${new URLSearchParams({ q: query, before: String(next) })}` }),
    isFirst: before === undefined,
    isIncomplete,
  };
}
