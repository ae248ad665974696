/** What follows from a backend's entry, for the subjects that act on it. */
import type { RunnerNetwork } from '../../drivers/driver';
import type { Backend } from './backends';

/** The variables that make up one upstream. Values of these never reach a runner (law 14). */
export const UPSTREAM_VARIABLES = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] as const;

/** Whether a backend's runners have a path themselves. */
export function serves(backend: Backend, path: string): boolean {
  return backend.paths.some((one) => (one.endsWith('/*') ? path.startsWith(one.slice(0, -1)) : path === one));
}

/** Whether the runners of a backend call upstreams, so that budgets are theirs too. */
export function usesUpstream(backend: Backend): boolean {
  return UPSTREAM_VARIABLES.some((name) => backend.userOverridableEnv.includes(name));
}

/** The headers that open a runner. */
export function accessHeaders(backend: Backend, accessKey: string): Record<string, string> {
  const value = backend.apiKeyScheme ? `${backend.apiKeyScheme} ${accessKey}` : accessKey;
  return { [backend.apiKeyHeader.toLowerCase()]: value };
}

/** Whether runners of the backend are given the value itself: not of the upstream, unless they have it injected. */
export function isHeldByRunner(backend: Backend, name: string): boolean {
  if (!backend.userOverridableEnv.includes(name)) return false;
  return backend.credentials === 'inject' || !UPSTREAM_VARIABLES.some((one) => one === name);
}

/** The networks of a backend's runners. */
export function runnerNetwork(backend: Backend): RunnerNetwork {
  const { networkMode: mode, extraNetworks: extra, extraHosts: hosts, dns } = backend;
  return { mode, extra, hosts, dns };
}
