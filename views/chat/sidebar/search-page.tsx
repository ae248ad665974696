import { AppLayout, TitleBar } from '../../layout';
import type { Shell } from '../../models';
import { useText } from '../../render';
import type { SearchView } from '../models';
import { SearchForm, SearchResults } from './search';

/** The page of a search, which works without scripts. */
export function SearchPage({ shell, search }: { shell: Shell; search: SearchView }) {
  const t = useText().search;
  return (
    <AppLayout shell={shell} title={t.title} search={false}>
      <TitleBar>{t.title}</TitleBar>
      <div class="settings column search">
        <SearchForm query={search.query} />
        <div id="search-results">
          <SearchResults search={search} />
        </div>
      </div>
    </AppLayout>
  );
}
