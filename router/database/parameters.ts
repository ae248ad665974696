/** Parameters of prepared statements. */
import { type SQL, sql } from 'drizzle-orm';

/**
 * A text parameter of a prepared statement at which the planner does not look. It looks at others on a table with a partial
 * index, to see whether they imply its condition, and then SQLite prepares the statement anew each time that a value is
 * bound: 8 to 16 µs, where the statement itself takes one. bun:sqlite cannot turn that off (`SQLITE_DBCONFIG_ENABLE_QPSG`).
 */
export const TEXT_PARAMETER = 'CAST(? AS text)';

/** The same parameter in a statement of Drizzle's, by its name. */
export const textParameter = (name: string): SQL => sql`CAST(${sql.placeholder(name)} AS text)`;
