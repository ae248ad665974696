/**
 * Prices of models, which the administrator maintains: an amount per million tokens and per call, in a currency of
 * their choice; and the list of models for which the shared key may be used.
 */
import { AppError } from '../../lib/errors';
import type { Price, UsageStore } from '../store/calls';
import type { Tokens } from '../tokens';

const MODEL_LENGTH_MAX = 200;
/** Far above the price of any model: a larger number is a typing error. */
const PRICE_MAX = 1_000_000;
const PER_TOKENS = 1_000_000;
const SHARED_MODELS_MAX = 1_000;
/** How many models an error lists. */
const NAMED_MODELS_MAX = 20;

/** The amounts that one call is charged for. */
export interface Charged {
  readonly tokens: Tokens;
  /** 1 for the call, or the number of pictures that it requests. */
  readonly calls: number;
}

export type PricesService = ReturnType<typeof pricesService>;

export function pricesService(deps: { usage: UsageStore }) {
  const { usage } = deps;
  // All prices in memory, because every upstream call needs one.
  const prices = new Map<string, Price>();
  let sharedModels: ReadonlySet<string> = new Set();

  return {
    /** Reads the stored prices. Call it once, before any other method. */
    async load(): Promise<void> {
      for (const price of await usage.prices()) prices.set(price.model, price);
      sharedModels = new Set(await usage.sharedModels());
    },

    find: (model: string): Price | undefined => prices.get(model),

    /**
     * The cost of a call at the current prices; `undefined` for a model without a price.
     * @param calls how often the price per call is charged.
     */
    costOf(model: string, { prompt, completion, cached }: Tokens, calls = 1): number | undefined {
      const price = prices.get(model);
      if (!price) return undefined;
      const reused = Math.min(cached, prompt);
      const dear = (prompt - reused) * price.prompt + completion * price.completion;
      return (dear + reused * (price.cached ?? price.prompt)) / PER_TOKENS + calls * (price.perCall ?? 0);
    },

    /** Sorted by model name. */
    list(): readonly Price[] {
      return [...prices.values()].sort((a, b) => (a.model < b.model ? -1 : 1));
    },

    /** Sets or changes the price of a model, for later calls. Throws `invalid_fields`. */
    async put({ perCall = null, ...rest }: Omit<Price, 'perCall'> & Partial<Price>): Promise<void> {
      const price: Price = { ...rest, perCall };
      const model = price.model.trim();
      const fields: Record<string, string> = {};
      if (model === '' || model.length > MODEL_LENGTH_MAX) {
        fields.model = `Between 1 and ${MODEL_LENGTH_MAX} characters`;
      }
      for (const name of ['prompt', 'completion', 'cached', 'perCall'] as const) {
        const value = price[name];
        const field = name === 'perCall' ? 'per_call' : name;
        if (value !== null && !(value >= 0 && value <= PRICE_MAX))
          fields[field] = 'A number of 0 or more, such as 2.50';
      }
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      const kept: Price = { ...price, model };
      await usage.putPrice(kept);
      prices.set(model, kept);
    },

    /** Removes a price, for later calls. Throws `not_found` for a model without a price. */
    async remove(model: string): Promise<void> {
      if (!(await usage.deletePrice(model))) throw new AppError('not_found', { message: 'That model has no price.' });
      prices.delete(model);
    },

    /** The models for which the shared key may be used, sorted by name; an empty list means all models. */
    sharedModels: (): readonly string[] => [...sharedModels].sort(),

    /** Sets the models of the shared key, from the next call on. Throws `invalid_fields`. */
    async putSharedModels(names: readonly string[]): Promise<void> {
      const kept = [...new Set(names.map((name) => name.trim()).filter((name) => name !== ''))];
      const isTooLong = kept.some((name) => name.length > MODEL_LENGTH_MAX);
      if (isTooLong)
        throw new AppError('invalid_fields', { fields: { models: `At most ${MODEL_LENGTH_MAX} characters each` } });
      if (kept.length > SHARED_MODELS_MAX) {
        throw new AppError('invalid_fields', { fields: { models: `At most ${SHARED_MODELS_MAX} models` } });
      }
      await usage.putSharedModels(kept);
      sharedModels = new Set(kept);
    },

    /** Throws `invalid_request` for a model for which the shared key may not be used. */
    requireShared(model: string): void {
      if (sharedModels.size === 0 || sharedModels.has(model)) return;
      const names = [...sharedModels].sort().slice(0, NAMED_MODELS_MAX).join(', ');
      throw new AppError('invalid_request', {
        message: `The shared key may not be used for the model "${model}". Set LLM_MODEL to one of these in Settings: ${names}. Or use a key of your own.`,
        param: 'model',
      });
    },
  };
}
