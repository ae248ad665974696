/** Merges the deltas of a streamed answer, as OpenAI's own clients do. */
import { isRecord } from './json';

/** Members that servers repeat in each delta; their texts are not concatenated. */
const SAID_AGAIN = new Set(['id', 'type', 'format', 'role', 'index', 'object']);

/**
 * Merges `more` into `whole`. Texts are concatenated; lists too, or merged item by item if the items have an `index`;
 * objects are merged member by member; other values are replaced. A null changes nothing.
 */
export function merge(whole: Record<string, unknown>, more: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(more)) {
    const known = whole[name];
    // `__proto__` would change the prototype of the object.
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
