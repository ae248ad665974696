/** Tables about the installation itself. */
import { sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Facts about this installation, such as its id. */
export const installation = sqliteTable('installation', {
  name: text().primaryKey(),
  value: text().notNull(),
});
