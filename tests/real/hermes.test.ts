/** The real Hermes Agent (`tests/real/runtimes/suite.ts`). */
import { realRuntime } from './runtimes/runtimes';
import { testRuntime } from './runtimes/suite';

await testRuntime(realRuntime('hermes-agent'));
