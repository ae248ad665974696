/** An entry of `backends.json` for an agent that answers what a test's server says. */
import { join } from 'node:path';

export function puppetAt(url: string): Record<string, unknown> {
  return {
    ...{ name: 'puppet', driver: 'process', trusted: true, health_path: '/healthz', paths: ['chat/completions'] },
    cmd: ['bun', join(import.meta.dir, 'puppet.ts')],
    extra_env: { PUPPET_URL: url },
  };
}
