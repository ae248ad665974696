/** Turns an agent and its backend into the spec that a driver gets. */

import { INSTALLATION_LABEL, type RunnerSpec } from '../../../drivers/driver';
import type { User } from '../../accounts/users/store';
import type { Agent } from '../../agents/store';
import type { Backend } from '../../backends/backends';
import { isHeldByRunner, runnerNetwork, UPSTREAM_VARIABLES } from '../../backends/traits';
import type { EffectiveValue } from '../../credentials/tiers';
import { withoutControls } from '../../lib/text';

/**
 * The model name of a runner that was started before its owner chose a model; the broker replaces it with the owner's.
 */
const MODEL_UNKNOWN = 'default';

/** The variable with the token of the runner's callbacks, as the predecessor called it. */
export const CALLBACK_TOKEN_ENV = 'AGENT_STACK_RUNNER_API_KEY';

interface SpecInput {
  readonly runnerId: string;
  readonly installationId: string;
  readonly agent: Agent;
  readonly user: User;
  readonly backend: Backend;
  readonly homePath: string;
  /** The home's path on the platform's host (`HOST_STACK_ROOT`). */
  readonly hostHomePath: string;
  readonly env: Readonly<Record<string, string>>;
  /** The backend's `driver_options` with the driver's defaults. */
  readonly options: RunnerSpec['options'];
}

/** The effective values of the owner that are passed to the runner. */
function runnerValues(backend: Backend, values: readonly EffectiveValue[]): Record<string, string> {
  return Object.fromEntries(
    values.flatMap(({ name, value }) => (value !== undefined && isHeldByRunner(backend, name) ? [[name, value]] : [])),
  );
}

/**
 * The runner's environment, and the variables for its seed's templates. `LLM_*` point at the broker with the runner's
 * own key (law 14); where the backend uses `inject`, they hold the real values, and the broker has variables of its
 * own.
 * @param options.routerUrl the internal listener's address, as this runner reaches it.
 * @param options.values the effective values of the runner's owner.
 */
export function runnerEnv(options: {
  agent: Agent;
  user: User;
  backend: Backend;
  routerUrl: string;
  accessKey: string;
  runnerKey: string;
  callbackToken: string;
  values: readonly EffectiveValue[];
  /** Set for this agent alone. */
  variables: Readonly<Record<string, string>>;
}): Record<string, string> {
  const { agent, user, backend, routerUrl, accessKey, runnerKey, callbackToken, values, variables } = options;
  const brokerUrl = `${routerUrl}/upstream/v1`;
  const upstream: Record<(typeof UPSTREAM_VARIABLES)[number], string> = {
    LLM_BASE_URL: brokerUrl,
    LLM_API_KEY: runnerKey,
    LLM_MODEL: values.find(({ name }) => name === 'LLM_MODEL')?.value ?? MODEL_UNKNOWN,
  };
  const used = UPSTREAM_VARIABLES.filter((name) => backend.userOverridableEnv.includes(name));
  return {
    ...backend.extraEnv,
    ...variables,
    ...Object.fromEntries(used.map((name) => [name, upstream[name]])),
    ...runnerValues(backend, values),
    ...(backend.credentials === 'inject' && { AGENT_BROKER_URL: brokerUrl, AGENT_BROKER_KEY: runnerKey }),
    AGENT_USER_ID: user.id,
    AGENT_USER_EMAIL: user.email,
    // Sign-up refuses names with control characters, but older accounts may have them.
    AGENT_USER_NAME: withoutControls(user.name || user.email),
    AGENT_USER_SLUG: user.slug,
    AGENT_STACK_AGENT_ID: agent.id,
    AGENT_STACK_CALLBACK_URL: routerUrl,
    [CALLBACK_TOKEN_ENV]: callbackToken,
    [backend.apiKeyEnv]: accessKey,
  };
}

/** A runner's name on its platform, made of ids that never change; another installation gives another name (law 6). */
export function runnerName(installationId: string, runnerId: string): string {
  return `ar-${installationId.slice(0, 8)}-${runnerId.slice(0, 12)}`;
}

export function runnerSpec(input: SpecInput): RunnerSpec {
  const { runnerId, installationId, agent, user, backend, homePath, hostHomePath, env, options } = input;
  return {
    id: runnerId,
    name: runnerName(installationId, runnerId),
    ...(backend.image !== undefined && { image: backend.image }),
    command: backend.command,
    env,
    // The host name is the same at each start of an agent: a runtime may recognise its own lock on the home by it.
    hostname: `agent-${agent.id.slice(0, 12)}`,
    ...(backend.user !== undefined && { user: backend.user }),
    ...(backend.containerPrefix !== undefined && { namePrefix: backend.containerPrefix }),
    network: runnerNetwork(backend),
    home: {
      source: homePath,
      hostSource: hostHomePath,
      target: backend.mountTarget,
      ...backend.homeOwner,
    },
    port: backend.internalPort,
    limits: backend.limits,
    labels: {
      [INSTALLATION_LABEL]: installationId,
      'agent-stack.runner': runnerId,
      'agent-stack.agent': agent.id,
      'agent-stack.user': user.id,
      'agent-stack.backend': backend.name,
    },
    options,
  };
}
