import { Icon } from '../../icons';
import { Time } from '../../kit/time';
import { useText } from '../../render';
import { AgentMark } from '../agent-mark';
import type { SearchHit, SearchView, TextPiece } from '../models';

/** The search over every page. app/search.js opens it by a key; without scripts its link leads to the page: search-page.tsx. */
export function SearchDialog() {
  const t = useText().search;
  return (
    <dialog id="search-dialog" class="search" aria-label={t.title}>
      <SearchForm query="" />
      <div id="search-results" />
    </dialog>
  );
}

export function SearchForm({ query }: { query: string }) {
  const t = useText().search;
  return (
    <search>
      <form class="search-form" method="get" action="/search">
        <Icon name="search" />
        <label class="visually-hidden" for="search-query">
          {t.label}
        </label>
        <input
          id="search-query"
          type="search"
          name="q"
          value={query}
          placeholder={t.label}
          autocomplete="off"
          autofocus
          dir="auto"
          hx-get="/search"
          hx-trigger="input changed delay:200ms"
          hx-target="#search-results"
          hx-swap="innerHTML"
        />
        <button type="submit" class="button">
          {t.submit}
        </button>
      </form>
    </search>
  );
}

/** The hits of a search, and the link to more. */
export function SearchResults({ search }: { search: SearchView }) {
  const t = useText().search;
  const { query, hits, moreHref, isIncomplete, isFirst } = search;
  const isAsked = query.trim() !== '';
  return (
    <>
      {isAsked && isFirst && hits.length === 0 && !moreHref && (
        <p class="quiet" role="status">
          {t.none}
        </p>
      )}
      {isAsked && isFirst && isIncomplete && <p class="quiet">{t.incomplete}</p>}
      {hits.length > 0 && (
        <ul class="hits">
          {hits.map((hit) => (
            <Hit key={hit.href} hit={hit} />
          ))}
        </ul>
      )}
      {moreHref && (
        <p class="more">
          <a class="button" href={moreHref} hx-get={moreHref} hx-target="closest .more" hx-swap="outerHTML">
            {t.more}
          </a>
        </p>
      )}
    </>
  );
}

function Hit({ hit }: { hit: SearchHit }) {
  const t = useText().search;
  const { agent, atMs, excerpt, href, isArchived, title } = hit;
  return (
    <li>
      <a class="hit" href={href}>
        <AgentMark agent={agent} />
        <span class="hit-head">
          <span class="ellipsis" dir="auto">
            <Pieces pieces={title} />
          </span>
          {isArchived && <span class="badge">{t.archived}</span>}
          <Time ms={atMs} />
        </span>
        {excerpt.length > 0 && (
          <span class="hit-text" dir="auto">
            <Pieces pieces={excerpt} />
          </span>
        )}
      </a>
    </li>
  );
}

function Pieces({ pieces }: { pieces: readonly TextPiece[] }) {
  return <>{pieces.map(({ text, isHit }, index) => (isHit ? <mark key={String(index)}>{text}</mark> : text))}</>;
}
