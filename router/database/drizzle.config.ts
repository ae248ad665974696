import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './router/stores/schema.ts',
  out: './router/database/migrations',
});
