/** The real nanobot (`tests/real/runtimes/suite.ts`). */
import { realRuntime } from './runtimes/runtimes';
import { testRuntime } from './runtimes/suite';

await testRuntime(realRuntime('nanobot'));
