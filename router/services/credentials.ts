/**
 * Upstream credentials: the user's value for a backend, else the user's value for all backends. Both belong to the same
 * owner, so base URL and key always do (law 15). The admin's shared tier joins here.
 */
import type { Backend, BackendRegistry } from '../backends';
import { AppError } from '../errors';
import type { SettingsStore } from '../stores/settings';
import type { Vault } from '../vault';

/** The variables that make up one upstream. Values of these never reach a runner (law 14). */
export const UPSTREAM_VARIABLES = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] as const;

const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD/;
const VALUE_LENGTH_MAX = 4096;
/** Link-local addresses and the names under which clouds serve machine metadata. */
const METADATA_HOST =
  /^(169\.254\.|\[::ffff:a9fe:|\[fe[89ab]|\[fd00:ec2:|100\.100\.100\.200$|metadata(\.google\.internal)?\.?$)/i;

export type Source = 'backend' | 'global' | 'unset';

export interface EffectiveValue {
  readonly name: string;
  readonly source: Source;
  readonly value?: string;
}

export interface ShownValue {
  readonly name: string;
  readonly secret: boolean;
  readonly source: Source;
  /** As it may be shown: secrets masked, the rest in clear. */
  readonly shown?: string;
}

export interface Upstream {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

export type CredentialsService = ReturnType<typeof credentialsService>;

export function credentialsService(deps: {
  settings: SettingsStore;
  backends: BackendRegistry;
  vault: Vault;
  now: () => number;
}) {
  const { settings, backends, vault, now } = deps;
  const owner = (userId: string, backend: string, name: string) => `${userId}/${backend}/${name}`;

  /** Scope ('' for all backends) → variable → plain value. */
  async function valuesOf(userId: string): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const scopes = new Map<string, Map<string, string>>();
    for (const row of await settings.credentialsOf(userId)) {
      const scope = scopes.get(row.backend) ?? new Map<string, string>();
      scopes.set(row.backend, scope.set(row.name, vault.open(row.sealed, owner(userId, row.backend, row.name))));
    }
    return scopes;
  }

  async function resolve(userId: string, backend: Backend): Promise<readonly EffectiveValue[]> {
    const values = await valuesOf(userId);
    return backend.userOverridableEnv.map((name) => {
      const own = values.get(backend.name)?.get(name);
      if (own !== undefined) return { name, source: 'backend', value: own };
      const global = values.get('')?.get(name);
      return global !== undefined ? { name, source: 'global', value: global } : { name, source: 'unset' };
    });
  }

  function requireScope(name: string, scope: string): void {
    if (!backends.all().some((backend) => backend.userOverridableEnv.includes(name))) {
      throw new AppError('invalid_request', { message: `${name} is not a variable that users can set.` });
    }
    if (scope === '') return;
    const backend = backends.find(scope);
    if (!backend) throw new AppError('not_found', { message: `There is no backend "${scope}".` });
    if (!backend.userOverridableEnv.includes(name)) {
      throw new AppError('invalid_request', { message: `${backend.displayName} does not use ${name}.` });
    }
  }

  return {
    resolve,

    /** Names of the variables that this backend needs and this user has not set. */
    async missing(userId: string, backend: Backend): Promise<readonly string[]> {
      if (backend.userOverridableEnv.length === 0) return [];
      return (await resolve(userId, backend)).filter((value) => value.value === undefined).map((value) => value.name);
    },

    /** What the broker calls with for this user and backend. Throws `credentials_missing`. */
    async upstreamOf(userId: string, backend: Backend): Promise<Upstream> {
      const values = new Map((await resolve(userId, backend)).map(({ name, value }) => [name, value]));
      const [baseUrl, apiKey, model] = UPSTREAM_VARIABLES.map((name) => values.get(name));
      if (baseUrl === undefined || apiKey === undefined || model === undefined) {
        throw credentialsMissing(
          backend,
          UPSTREAM_VARIABLES.filter((name) => values.get(name) === undefined),
        );
      }
      return { baseUrl, apiKey, model };
    },

    /** Every scope of the user with the values as they may be shown. Scope '' is for all backends. */
    async shown(userId: string): Promise<ReadonlyMap<string, readonly ShownValue[]>> {
      const values = await valuesOf(userId);
      const show = (name: string, scope: string): ShownValue => {
        const value = values.get(scope)?.get(name);
        const source = value === undefined ? 'unset' : scope === '' ? 'global' : 'backend';
        return { name, secret: isSecret(name), source, ...(value !== undefined && { shown: mask(name, value) }) };
      };
      const users = backends.all().filter((backend) => backend.userOverridableEnv.length > 0);
      const all = [...new Set(users.flatMap((backend) => backend.userOverridableEnv))];
      return new Map([
        ['', all.map((name) => show(name, ''))],
        ...users.map((backend): [string, readonly ShownValue[]] => [
          backend.name,
          backend.userOverridableEnv.map((name) => show(name, backend.name)),
        ]),
      ]);
    },

    /**
     * Sets values of one scope, all or none; an empty value removes. Takes effect on the next upstream call (law 16).
     * Throws `invalid_fields` with what is wrong per variable.
     */
    async set(userId: string, scope: string, values: Readonly<Record<string, string>>): Promise<void> {
      const fields: Record<string, string> = {};
      const entries = Object.entries(values).map(([name, value]): [string, string] => [name, value.trim()]);
      for (const [name, value] of entries) {
        requireScope(name, scope);
        const problem = value === '' ? undefined : problemOf(name, value);
        if (problem) fields[name] = problem;
      }
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      await settings.putCredentials(
        entries
          .filter(([, value]) => value !== '')
          .map(([name, value]) => ({
            userId,
            backend: scope,
            name,
            sealed: vault.seal(value, owner(userId, scope, name)),
            updatedAtMs: now(),
          })),
      );
      for (const [name, value] of entries) {
        if (value === '') await settings.deleteCredentials({ userId, backend: scope, name });
      }
    },

    /** Removes one value, or without `name` all of that scope. */
    async clear(userId: string, scope: string, name?: string): Promise<void> {
      if (name !== undefined) requireScope(name, scope);
      await settings.deleteCredentials({ userId, backend: scope, ...(name !== undefined && { name }) });
    },
  };
}

export function credentialsMissing(backend: Backend, missing: readonly string[]): AppError {
  return new AppError('credentials_missing', {
    message: `${backend.displayName} needs ${missing.join(', ')}. Set ${missing.length === 1 ? 'it' : 'them'} in Settings → Credentials.`,
    fields: Object.fromEntries(missing.map((name) => [name, 'Not set'])),
  });
}

export function isSecret(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** A value as it may be shown: a secret as a mask of one width, with the last four characters only of a long one. */
export function mask(name: string, value: string): string {
  if (!isSecret(name)) return value;
  return `••••••••${value.length >= 20 ? value.slice(-4) : ''}`;
}

/**
 * What is wrong with an upstream's base URL, if anything. Addresses where clouds keep machine secrets are refused
 * wherever the router would connect itself (law 22).
 */
export function baseUrlProblem(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return 'Must be an http or https address, such as https://api.openai.com/v1';
  }
  if (url.username || url.password || url.search || url.hash) return 'Must be a plain address without user, query or #';
  if (METADATA_HOST.test(url.hostname)) return 'Link-local and metadata addresses are never called';
  return undefined;
}

function problemOf(name: string, value: string): string | undefined {
  if (value.length > VALUE_LENGTH_MAX) return `Must be at most ${VALUE_LENGTH_MAX} characters`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) return 'Must be one line without control characters';
  if (name === 'LLM_BASE_URL') return baseUrlProblem(value);
  return undefined;
}
