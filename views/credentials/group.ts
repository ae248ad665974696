/** The variables of an upstream. */
export const upstream = 'llm';

/** Whether a variable is one of an upstream, whose connection can be tested. */
export const isOfUpstream = (name: string): boolean => name === 'LLM_BASE_URL' || name === 'LLM_MODEL';

/** The id of the card of a group of variables on the page. */
export function cardId(group: string): string {
  return group === upstream ? 'credentials' : `variable-${group}`;
}
