/** An agent of the repository as a backend of the docker driver, for the test image, in which it needs only Bun. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dir, '../..');

/**
 * Returns the entry of `backends.json`, and writes the agent as one file into a seed below `seeds`. `SEEDS_ROOT` must
 * be that folder.
 */
export async function containedBackend(
  name: 'demo' | 'direct',
  { image, seeds }: { readonly image: string; readonly seeds: string },
): Promise<Record<string, unknown>> {
  const outdir = join(seeds, name);
  await mkdir(outdir, { recursive: true });
  const built = await Bun.build({ entrypoints: [join(ROOT, 'backends', name, 'main.ts')], target: 'bun', outdir });
  if (!built.success) throw new AggregateError(built.logs, `The agent ${name} cannot be built`);
  return {
    name,
    driver: 'docker',
    image,
    cmd: ['bun', '/home/agent/main.js'],
    seed_subdir: name,
    user: '1000:1000',
    chown_uid: 1000,
    headers: { 'X-Agent-Session': `\${conversation}` },
    extra_env: { HOST: '0.0.0.0', PORT: '8080', AGENT_HOME: '/home/agent' },
    history: 'last-turn',
    limits: { memory: '512m' },
    timeouts: { stop_grace_seconds: 1 },
  };
}
