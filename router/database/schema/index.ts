/**
 * The tables. Times are milliseconds since the epoch; ids are 24 hex characters. After a change here run
 * `bun run migration`, which writes the SQL into `migrations/`. The router applies it at start.
 */
export * from './accounts';
export * from './agents';
export * from './attachments';
export * from './audit';
export * from './chat';
export * from './credentials';
export * from './installation';
export * from './runners';
export * from './schedules';
export * from './search';
export * from './usage';
