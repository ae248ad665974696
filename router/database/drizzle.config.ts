import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './router/database/schema/index.ts',
  out: './router/database/migrations',
});
