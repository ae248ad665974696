/** Writes many rows fast. */
import type { Database as Sqlite } from 'bun:sqlite';
import { getTableColumns, getTableName } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

/** Runs `work` in one transaction. */
export const atOnce = (sqlite: Sqlite, work: () => void) => sqlite.transaction(work)();

/** A prepared statement that inserts a row of the table; a column that is not given has its default, or is null. */
export function inserter<Table extends SQLiteTable>(sqlite: Sqlite, table: Table) {
  const columns = Object.entries(getTableColumns(table));
  const names = columns.map(([, column]) => `"${column.name}"`);
  const statement = sqlite.query(
    `INSERT INTO "${getTableName(table)}" (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  return (row: Table['$inferInsert']): void => {
    const values = columns.map(([name, column]) => {
      const value = (row as Record<string, unknown>)[name] ?? column.default ?? null;
      return value === null ? null : (column.mapToDriverValue(value) as string | number);
    });
    statement.run(...values);
  };
}
