/** Browser tests: a real Chromium against a real router. CHROMIUM_PATH names the browser. */
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  // A test has a router and a browser context of its own, and often waits for one of them: two leave some of two cores idle.
  workers: 3,
  outputDir: '../../test-results',
  reporter: 'list',
  // Ends only a test that hangs: a long one takes 20 s, and three times that on a busy machine.
  timeout: 120_000,
  // Ends only what never comes.
  expect: { timeout: 30_000 },
  use: {
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
    viewport: { width: 1280, height: 800 },
  },
});
