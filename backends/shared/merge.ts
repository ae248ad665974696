/** Puts the deltas of a streamed answer together, as OpenAI's own clients do. */
import { isRecord } from './json';

/** Texts that are said with each delta, and are no pieces of one. */
const SAID_AGAIN = new Set(['id', 'type', 'format', 'role', 'index', 'object']);

/**
 * Adds what `more` says to `whole`: texts grow, lists grow or, where their items have an `index`, item by item, objects
 * member by member, anything else is replaced. Nothing is taken back by a null.
 */
export function merge(whole: Record<string, unknown>, more: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(more)) {
    const known = whole[name];
    // The name that would change what the object is.
    if (value == null || name === '__proto__') continue;
    if (Array.isArray(known) && Array.isArray(value)) mergeLists(known, value);
    else if (isRecord(known) && isRecord(value)) merge(known, value);
    else if (typeof known !== 'string' || typeof value !== 'string') whole[name] = structuredClone(value);
    else if (!SAID_AGAIN.has(name)) whole[name] = known + value;
  }
}

function mergeLists(list: unknown[], more: readonly unknown[]): void {
  for (const item of more) {
    const index = isRecord(item) ? item.index : undefined;
    const known = index === undefined ? undefined : list.find((one) => isRecord(one) && one.index === index);
    if (isRecord(known) && isRecord(item)) merge(known, item);
    else list.push(structuredClone(item));
  }
}
