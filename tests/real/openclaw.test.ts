/** The real OpenClaw (`tests/real/runtimes/suite.ts`). */
import { realRuntime } from './runtimes/runtimes';
import { testRuntime } from './runtimes/suite';

await testRuntime(realRuntime('openclaw'));
