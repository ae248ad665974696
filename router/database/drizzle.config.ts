import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './router/database/schema.ts',
  out: './router/database/migrations',
});
