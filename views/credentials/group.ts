/** The variables of an upstream. */
export const upstream = 'llm';

/** The id of the card of a group of variables on the page. */
export function cardId(group: string): string {
  return group === upstream ? 'credentials' : `variable-${group}`;
}
