/** Conclusions from a backend's entry, for all subjects that need them. */
import type { RunnerNetwork } from '../../drivers/driver';
import type { Backend } from './backends';

/** The variables of one upstream. With the broker, their values never reach a runner (law 14). */
export const UPSTREAM_VARIABLES = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] as const;

/** Whether a backend's runners serve a path themselves. */
export function serves(backend: Backend, path: string): boolean {
  for (const one of backend.paths) {
    if (one.endsWith('/*') ? path.startsWith(one.slice(0, -1)) : path === one) return true;
  }
  return false;
}

/** Whether the runners of a backend call upstreams, so that budgets apply to them. */
export function usesUpstream(backend: Backend): boolean {
  for (const name of UPSTREAM_VARIABLES) if (backend.userOverridableEnv.includes(name)) return true;
  return false;
}

/** The headers with the runner's access key. */
export function accessHeaders(backend: Backend, accessKey: string): Record<string, string> {
  const value = backend.apiKeyScheme ? `${backend.apiKeyScheme} ${accessKey}` : accessKey;
  return { [backend.apiKeyHeader.toLowerCase()]: value };
}

/** Whether runners of the backend get the value itself: not the upstream's values, unless the backend uses `inject`. */
export function isHeldByRunner(backend: Backend, name: string): boolean {
  if (!backend.userOverridableEnv.includes(name)) return false;
  return backend.credentials === 'inject' || !UPSTREAM_VARIABLES.some((one) => one === name);
}

/** The networks of a backend's runners. */
export function runnerNetwork(backend: Backend): RunnerNetwork {
  const { networkMode: mode, extraNetworks: extra, extraHosts: hosts, dns } = backend;
  return { mode, extra, hosts, dns };
}
