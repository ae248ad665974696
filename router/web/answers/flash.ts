/** What a page says was done, after the redirect from a form. */
import type { Flash } from '../../../views/models';

/** @param said The name of a message, from the query of the page. Says nothing for a name that is none. */
export function flashOf(messages: Readonly<Record<string, string>>, said: string | undefined): Flash | undefined {
  const message = said !== undefined && Object.hasOwn(messages, said) ? messages[said] : undefined;
  return message === undefined ? undefined : { kind: 'good', message };
}
