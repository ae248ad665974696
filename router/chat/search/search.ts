/** Full-text search in what a user wrote and was answered. */
import { setImmediate } from 'node:timers/promises';
import { processLog } from '../../lib/log';
import { hasAll, matchOf, termsOf } from '../../lib/search-text';
import type { Indexing } from './indexing';
import type { Found, SearchStore } from './store';

const PAGE_HITS = 20;
/** Entries whose texts are read at once: so many may be compared before others have their turn. */
const CANDIDATES = 4;
/** Milliseconds after which a search answers with what it has, and with where to go on. */
const SEARCH_MS = 500;
/** Messages of its user that a search indexes first, and milliseconds for them. Of more it indexes one step. */
const CATCH_UP_MESSAGES = 100;
const CATCH_UP_MS = 100;

interface Hits {
  readonly terms: readonly string[];
  readonly hits: readonly Found[];
  /** Before which entry to search on. */
  readonly next?: number;
  /** Whether not all of the user's messages can be found yet. */
  readonly isIncomplete: boolean;
}

export type SearchService = ReturnType<typeof searchService>;

/** @param deps.writtenOf resolves when the turns under way of a user are stored. */
export function searchService(deps: {
  search: SearchStore;
  indexing: Indexing;
  writtenOf: (owner: { readonly userId: string }) => Promise<unknown> | undefined;
}) {
  const { search, indexing, writtenOf } = deps;

  /** @returns whether all of this user is indexed. A database that takes no writes, as on a full disk, keeps nobody from searching. */
  async function catchUp(userId: string): Promise<boolean> {
    return indexSome(userId).catch((error: unknown) => {
      processLog.warn({ err: error }, 'search.not_indexed');
      return false;
    });
  }

  async function indexSome(userId: string): Promise<boolean> {
    const untilMs = performance.now() + CATCH_UP_MS;
    let place = await search.indexSome(undefined, userId);
    if (place && (await search.waiting(userId)) > CATCH_UP_MESSAGES) return false;
    while (place && performance.now() < untilMs) place = await search.indexSome(place, userId);
    return place === undefined;
  }

  return {
    /** The user's messages and titles that contain all words of the query, newest first. */
    async find(userId: string, query: string, before?: number): Promise<Hits> {
      const terms = termsOf(query);
      if (terms.length === 0) return { terms, hits: [], isIncomplete: false };
      await writtenOf({ userId });
      const isIncomplete = !(await catchUp(userId));
      const match = matchOf(terms);
      const untilMs = performance.now() + SEARCH_MS;
      const hits: Found[] = [];
      let next = before;
      let span: number | undefined;
      do {
        const step = await search.find(userId, match, { before: next, limit: CANDIDATES, span });
        hits.push(...step.found.filter(({ content, title, messageId }) => hasAll(messageId ? content : title, terms)));
        ({ next, span } = step);
        await setImmediate();
      } while (next !== undefined && hits.length < PAGE_HITS && performance.now() < untilMs);
      return { terms, hits, isIncomplete, ...(next !== undefined && { next }) };
    },

    /** Indexes what is not indexed yet of all users. Ends early by the signal. */
    indexAll: (signal: AbortSignal): Promise<void> => indexing.all(signal),
  };
}
