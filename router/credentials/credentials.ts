/**
 * Upstream credentials, and other variables that a backend lets its users set. Values are stored per user, for one backend
 * or for all backends. The administrator can share values with all users. `tiers.ts` decides which value applies.
 */

import type { UsersStore } from '../accounts/users/store';
import type { Agent } from '../agents/store';
import type { Backend, BackendRegistry } from '../backends/backends';
import type { UPSTREAM_VARIABLES } from '../backends/traits';
import { ownerOf } from '../database/sealing';
import { AppError } from '../lib/errors';
import { type Soon, whenThere } from '../lib/lookup';
import type { Vault } from '../lib/vault';
import { credentialsCache, type Scopes } from './cache';
import { sharing } from './sharing';
import type { SettingsStore } from './store';
import { type EffectiveValue, resolveValue, type Source, type Tiers, type Values } from './tiers';
import { type TypedUpstream, trialUpstream } from './trial';
import { isSecret, mask, valueProblem } from './values';

/** The scope of values for all backends. */
const GLOBAL = '';
const NO_VALUES: Values = new Map();

/** The credentials with which the broker calls the upstream. */
export interface Upstream {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  /** Tier of the key; it tells whose account pays. */
  readonly source: Exclude<Source, 'unset'>;
}

/** Whose calls are made: an agent's own model applies before its owner's. */
type AgentModel = Pick<Agent, 'userId' | 'model'>;

/** A variable in one scope of a user, in a form that may be shown to that user. */
export interface ShownValue {
  readonly name: string;
  readonly isSecret: boolean;
  /** Whether the variable has a value in this scope itself. */
  readonly isOwn: boolean;
  /** Tier whose value applies in this scope. */
  readonly source: Source;
  /** The value that applies; secrets are masked. Absent when no value applies. */
  readonly shown?: string;
  readonly reason?: string;
}

/**
 * Called after the values of a user have changed; without `userId`, those of any user. The change waits for the
 * returned promise.
 */
type ChangeListener = (userId?: string) => Promise<void>;

export type CredentialsService = ReturnType<typeof credentialsService>;

export function credentialsService(deps: {
  settings: SettingsStore;
  users: Pick<UsersStore, 'findAdmin'>;
  backends: BackendRegistry;
  vault: Vault;
  now: () => number;
}) {
  const { settings, backends, vault, now } = deps;
  const known = credentialsCache(deps);
  const listeners: ChangeListener[] = [];
  const withVariables = () => backends.all().filter(({ userOverridableEnv }) => userOverridableEnv.length > 0);
  const variables = () => [...new Set(withVariables().flatMap(({ userOverridableEnv }) => userOverridableEnv))];

  /**
   * Call after a change of a user's values. A change by the administrator may affect all users, because those values
   * may be shared.
   */
  async function changed(userId: string): Promise<void> {
    known.forget(userId);
    const isAdmin = (await deps.users.findAdmin())?.id === userId;
    await tell(isAdmin ? undefined : userId);
  }

  async function tell(userId?: string): Promise<void> {
    for (const listener of listeners) await listener(userId);
  }

  function tiersOf(userId: string, scope: string): Soon<Tiers> {
    const [own, shared] = [known.of(userId), known.shared()];
    if (!(own instanceof Promise || shared instanceof Promise)) return tiersIn(own, shared, scope);
    return Promise.all([own, shared]).then(([own, shared]) => tiersIn(own, shared, scope));
  }

  /** The value that applies in the calls of an agent, which may have a model of its own. */
  function valueFor(agent: AgentModel, name: string, tiers: Tiers): EffectiveValue {
    if (name === 'LLM_MODEL' && agent.model !== '') return { name, source: 'backend', value: agent.model };
    return resolveValue(name, tiers);
  }

  async function resolve(agent: AgentModel, backend: Backend): Promise<readonly EffectiveValue[]> {
    const tiers = await tiersOf(agent.userId, backend.name);
    return backend.userOverridableEnv.map((name) => valueFor(agent, name, tiers));
  }

  async function shownIn(userId: string, scope: string, names: readonly string[]): Promise<readonly ShownValue[]> {
    const tiers = await tiersOf(userId, scope);
    const own = scope === GLOBAL ? tiers.global : tiers.backend;
    return names.map((name) => {
      const { value, ...rest } = resolveValue(name, tiers);
      const shown = value === undefined ? {} : { shown: mask(name, value, rest.source !== 'shared') };
      return { ...rest, ...shown, isSecret: isSecret(name), isOwn: own.has(name) };
    });
  }

  function upstreamIn(tiers: Tiers, agent: AgentModel, backend: Backend): Upstream {
    // A variable that the backend does not list in `user_overridable_env` is unset for it.
    const of = (name: (typeof UPSTREAM_VARIABLES)[number]): EffectiveValue =>
      backend.userOverridableEnv.includes(name) ? valueFor(agent, name, tiers) : { name, source: 'unset' };
    const [baseUrl, apiKey, model] = [of('LLM_BASE_URL'), of('LLM_API_KEY'), of('LLM_MODEL')];
    if (baseUrl.value === undefined || apiKey.value === undefined || model.value === undefined) {
      const missing = [baseUrl, apiKey, model].filter(({ source }) => source === 'unset');
      throw credentialsMissing(backend, missing);
    }
    // For the type only: a variable with a value never has the source `unset`.
    const source = apiKey.source === 'unset' ? 'global' : apiKey.source;
    return { baseUrl: baseUrl.value, apiKey: apiKey.value, model: model.value, source };
  }

  function requireVariable(name: string, scope = GLOBAL): void {
    if (!variables().includes(name)) {
      throw new AppError('invalid_request', { message: `${name} is not a variable that users can set.` });
    }
    if (scope === GLOBAL) return;
    const { userOverridableEnv, displayName } = backends.get(scope);
    if (userOverridableEnv.includes(name)) return;
    throw new AppError('invalid_request', { message: `${displayName} does not use ${name}.` });
  }

  return {
    /** Returns the backend's variables for this agent, each with its tier. */
    resolve,

    /** Returns the variables of this backend that have no value for this agent. */
    async missing(agent: AgentModel, backend: Backend): Promise<readonly EffectiveValue[]> {
      return (await resolve(agent, backend)).filter(({ source }) => source === 'unset');
    },

    /** Returns the credentials for broker calls of this agent now. Throws `credentials_missing`. */
    upstreamOf: (agent: AgentModel, backend: Backend): Soon<Upstream> =>
      whenThere(tiersOf(agent.userId, backend.name), (tiers) => upstreamIn(tiers, agent, backend)),

    /**
     * Returns the credentials to test, before they are saved, for the values typed into a scope's form. Throws
     * `invalid_fields`.
     */
    async upstreamToTry(userId: string, scope: string, typed: TypedUpstream): Promise<TypedUpstream> {
      requireVariable('LLM_BASE_URL', scope);
      return trialUpstream(typed, await tiersOf(userId, scope));
    },

    /** Returns every scope of the user with its variables, in a form that may be shown. Scope '' is for all backends. */
    async shown(userId: string): Promise<ReadonlyMap<string, readonly ShownValue[]>> {
      const scopes = [
        { scope: GLOBAL, names: variables() },
        ...withVariables().map(({ name, userOverridableEnv }) => ({ scope: name, names: userOverridableEnv })),
      ];
      const entries = scopes.map(async ({ scope, names }): Promise<[string, readonly ShownValue[]]> => {
        return [scope, await shownIn(userId, scope, names)];
      });
      return new Map(await Promise.all(entries));
    },

    /**
     * Sets values of one scope, all or none; an empty value removes the variable. Takes effect on the next upstream call
     * (law 16). Throws `invalid_fields` with the problem of each variable.
     */
    async set(userId: string, scope: string, values: Readonly<Record<string, string>>): Promise<void> {
      const fields: Record<string, string> = {};
      const entries = Object.entries(values).map(([name, value]): [string, string] => [name, value.trim()]);
      for (const [name, value] of entries) {
        requireVariable(name, scope);
        const problem = value === '' ? undefined : valueProblem(name, value);
        if (problem) fields[name] = problem;
      }
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      const rows = entries
        .filter(([, value]) => value !== '')
        .map(([name, value]) => ({
          userId,
          backend: scope,
          name,
          sealed: vault.seal(value, ownerOf({ kind: 'credential', userId, backend: scope, name })),
          updatedAtMs: now(),
        }));
      const removed = entries.filter(([, value]) => value === '').map(([name]) => name);
      await settings.putCredentials(rows, { userId, backend: scope, names: removed });
      await changed(userId);
    },

    /** Removes the values of `names` in a scope; without `names`, all values of the scope. */
    async clear(userId: string, scope: string, names?: readonly string[]): Promise<void> {
      for (const name of names ?? []) requireVariable(name, scope);
      if (names === undefined) await settings.deleteCredentials({ userId, backend: scope });
      else await settings.putCredentials([], { userId, backend: scope, names });
      await changed(userId);
    },

    ...sharing({ ...deps, known, requireVariable, changed: tell }),

    onChange(listener: ChangeListener): void {
      listeners.push(listener);
    },

    /** Returns the variables that at least one backend lets its users set. */
    variables,
  };
}

function tiersIn(own: Scopes, shared: Values, scope: string): Tiers {
  return {
    backend: (scope !== GLOBAL && own.get(scope)) || NO_VALUES,
    global: own.get(GLOBAL) ?? NO_VALUES,
    shared,
  };
}

export function credentialsMissing(backend: Backend, missing: readonly EffectiveValue[]): AppError {
  const names = missing.map(({ name }) => name);
  const reasons = missing.flatMap(({ reason }) => (reason === undefined ? [] : [`${reason} `]));
  return new AppError('credentials_missing', {
    message: `${backend.displayName} needs ${names.join(', ')}. ${reasons.join('')}Set ${names.length === 1 ? 'it' : 'them'} in Settings → Model.`,
    fields: Object.fromEntries(missing.map(({ name, reason }) => [name, reason ?? 'Not set'])),
  });
}
