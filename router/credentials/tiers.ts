/**
 * Decides which value applies: the user's for a backend, else the user's for all backends, else the value that the
 * administrator shares. Base URL and key are one profile and come from one owner, so that a shared key is never sent to
 * an address that its owner did not set, and a user's key is never sent to the shared address (law 15).
 */

/** The tier of a value. */
export type Source = 'backend' | 'global' | 'shared' | 'unset';

/** Variable → plain value. */
export type Values = ReadonlyMap<string, string>;

/** The values per tier, for one user and one backend. */
export interface Tiers {
  readonly backend: Values;
  readonly global: Values;
  readonly shared: Values;
}

export interface EffectiveValue {
  readonly name: string;
  readonly source: Source;
  /** Absent when the source is `unset`. */
  readonly value?: string;
  /** Why a shared value does not apply, as a sentence for the user. */
  readonly reason?: string;
}

/** For each variable of the profile: the other variable, and the reason why both must come from the same owner. */
const PROFILE: ReadonlyMap<string, { readonly other: string; readonly reason: string }> = new Map([
  [
    'LLM_API_KEY',
    {
      other: 'LLM_BASE_URL',
      reason:
        'You have set an address of your own, and the shared key never goes to another address: set a key of your own too, or remove your address to use what is shared.',
    },
  ],
  [
    'LLM_BASE_URL',
    {
      other: 'LLM_API_KEY',
      reason:
        'You have set a key of your own, and it never goes to the shared address by itself: set an address too, or remove your key to use what is shared.',
    },
  ],
]);

export function resolveValue(name: string, tiers: Tiers): EffectiveValue {
  const own = ownValue(name, tiers);
  if (own) return own;
  const value = tiers.shared.get(name);
  if (value === undefined) return { name, source: 'unset' };
  const half = PROFILE.get(name);
  if (half && ownValue(half.other, tiers)) return { name, source: 'unset', reason: half.reason };
  if (half && !tiers.shared.has(half.other)) return { name, source: 'unset' };
  return { name, source: 'shared', value };
}

function ownValue(name: string, { backend, global }: Tiers): EffectiveValue | undefined {
  const special = backend.get(name);
  if (special !== undefined) return { name, source: 'backend', value: special };
  const general = global.get(name);
  return general === undefined ? undefined : { name, source: 'global', value: general };
}
