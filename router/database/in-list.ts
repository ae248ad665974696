/** Conditions on lists of any length. */
import { type Column, type SQL, sql } from 'drizzle-orm';

/** The condition in a statement that Drizzle does not make; the list is one parameter, as JSON. */
export const IN_LIST = 'IN (SELECT value FROM json_each(?))';

/** Whether the column is in the list. The list is one parameter: Drizzle takes milliseconds to build a thousand. */
export function inList(column: Column, values: readonly string[]): SQL {
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}
