/** How settings.ts defines one: its kind, whether it is required, its default, and its description. */
import type { Kind } from './kinds';

interface Text {
  readonly description: string;
  readonly example: string;
  /** Describes the default in the documentation when the setting has no fixed default. */
  readonly whenUnset?: string;
}

export interface Setting<T = unknown> extends Kind<T>, Text {
  readonly default?: string;
  readonly required: boolean;
  /** The name in lower case counts too, and first, as in other programs. */
  readonly isAnyCase?: true;
}

export const required = <T>(kind: Kind<T>, text: Text): Setting<T> => ({ ...kind, ...text, required: true });
export const optional = <T>(kind: Kind<T>, text: Text): Setting<T | undefined> => ({
  ...kind,
  ...text,
  required: false,
});
/** A setting with a default. */
export const preset = <T>(kind: Kind<T>, value: string, description: string, example = value): Setting<T> => {
  return { ...kind, description, example, default: value, required: false };
};

/** A setting of a proxy, which other programs also read in lower case. */
export const proxy = <T>(kind: Kind<T>, text: Text): Setting<T | undefined> => ({
  ...optional(kind, text),
  isAnyCase: true,
});
