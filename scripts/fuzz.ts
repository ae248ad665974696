/**
 * `bun run fuzz [--seconds 3600] [--seed 123] [--only markdown]`: runs the fuzzers for longer. Without `--seed`, each
 * run uses a new seed and prints it.
 */
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const files = [...new Bun.Glob('tests/fuzz/*.test.ts').scanSync()].filter((file) => file.includes(values.only)).sort();
const env = {
  ...process.env,
  FUZZ_SECONDS: values.seconds,
  ...(values.seed !== undefined && { FUZZ_SEED: values.seed }),
};
const run = Bun.spawn([process.execPath, 'test', ...files.map((file) => `./${file}`)], {
  env,
  stdio: ['ignore', 'inherit', 'inherit'],
});
process.exit(await run.exited);
