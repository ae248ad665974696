/**
 * The spec with which an agent's runner would be started now, and its fingerprint. A runner with another fingerprint is
 * stale: the entry of its backend, the values of its owner, what is set for the agent, the router's address or the place of
 * its home have changed since its start.
 */
import { createHmac } from 'node:crypto';
import type { Driver, RunnerSpec } from '../../../drivers/driver';
import type { User } from '../../accounts/users/store';
import { homePath } from '../../agents/homes';
import type { OwnValues } from '../../agents/own';
import type { Agent } from '../../agents/store';
import type { Backend } from '../../backends/backends';
import { isHeldByRunner, UPSTREAM_VARIABLES } from '../../backends/traits';
import type { EffectiveValue } from '../../credentials/tiers';
import { onClock } from '../../lib/time';
import type { DriverRegistry } from '../../platforms/drivers';
import type { AddressesService } from '../../platforms/router-address';
import { CALLBACK_TOKEN_ENV, runnerEnv, runnerSpec } from './spec';

const ADDRESS_MS = 10_000;

export interface SpecDeps {
  readonly installationId: string;
  readonly homesRoot: string;
  readonly addresses: AddressesService;
  readonly drivers: DriverRegistry;
  /** Maps a path below the data root to the same path on the platform's host. */
  readonly hostPath: (path: string) => string;
}

export interface SpecOf {
  readonly agent: Agent;
  readonly user: User;
  readonly backend: Backend;
  readonly driver: Driver;
  readonly values: readonly EffectiveValue[];
  readonly own: OwnValues;
  readonly runnerId: string;
  readonly accessKey: string;
  readonly runnerKey: string;
  readonly callbackToken: string;
}

/** Rejects with the driver's error when the driver cannot say at which address its runners reach the router. */
export async function desiredSpec(deps: SpecDeps, of: SpecOf, signal?: AbortSignal): Promise<RunnerSpec> {
  const { agent, user, backend, driver, values, own, runnerId, accessKey, runnerKey, callbackToken } = of;
  const routerUrl = await onClock(ADDRESS_MS, signal, (clock) => deps.addresses.urlFor(driver, backend, clock));
  const path = homePath(deps.homesRoot, agent.id);
  return runnerSpec({
    runnerId,
    installationId: deps.installationId,
    agent,
    user,
    backend,
    homePath: path,
    hostHomePath: deps.hostPath(path),
    env: runnerEnv({
      ...{ agent, user, backend, routerUrl, accessKey, runnerKey, callbackToken, values },
      variables: own.variables,
    }),
    options: deps.drivers.optionsFor(backend),
  });
}

/**
 * HMAC-SHA-256 of the spec as hex; the order of its members does not matter. Leaves out what belongs to one runner only
 * (its names and keys), and the upstream's key and model, which the broker inserts at each call.
 * @param accessKey the runner's own key, 256 random bits that are stored only sealed: without it, a short value could
 * be guessed from the fingerprint in the database.
 */
export function fingerprint(
  spec: RunnerSpec,
  { backend, own: { instructions }, accessKey }: Pick<SpecOf, 'backend' | 'own' | 'accessKey'>,
): string {
  const { id: _id, name: _name, labels: _labels, env, ...rest } = spec;
  const keys = [
    backend.apiKeyEnv,
    'AGENT_BROKER_KEY',
    CALLBACK_TOKEN_ENV,
    ...UPSTREAM_VARIABLES.filter((name) => isBrokers(backend, name)),
  ];
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !keys.includes(name)));
  const text = JSON.stringify(
    { ...rest, driver: backend.driver, keyName: backend.apiKeyEnv, env: kept, instructions },
    sortedMembers,
  );
  return createHmac('sha256', accessKey).update(text).digest('hex');
}

/** The broker's address is part of the fingerprint: a runner that was started with another address reaches nothing. */
function isBrokers(backend: Backend, name: (typeof UPSTREAM_VARIABLES)[number]): boolean {
  return name !== 'LLM_BASE_URL' && !isHeldByRunner(backend, name);
}

function sortedMembers(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
