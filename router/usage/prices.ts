/** Prices of models, which the administrator keeps: money per million tokens, in whatever currency they count. */
import { AppError } from '../lib/errors';
import type { Price, UsageStore } from './store';
import type { Tokens } from './tokens';

const MODEL_LENGTH_MAX = 200;
/** Dearer than any model by far; what is above it is a slip of the hand. */
const PRICE_MAX = 1_000_000;
const PER_TOKENS = 1_000_000;

export type PricesService = ReturnType<typeof pricesService>;

export function pricesService(deps: { usage: UsageStore }) {
  const { usage } = deps;
  // All of them, because every call to an upstream asks for one.
  const prices = new Map<string, Price>();

  return {
    /** Reads what is stored. To be called once, before anything is asked. */
    async load(): Promise<void> {
      for (const price of await usage.prices()) prices.set(price.model, price);
    },

    /** What these tokens cost by the prices of now; `undefined` for a model without a price. */
    costOf(model: string, { prompt, completion, cached }: Tokens): number | undefined {
      const price = prices.get(model);
      if (!price) return undefined;
      const reused = Math.min(cached, prompt);
      const dear = (prompt - reused) * price.prompt + completion * price.completion;
      return (dear + reused * (price.cached ?? price.prompt)) / PER_TOKENS;
    },

    /** In the order of models' names. */
    list(): readonly Price[] {
      return [...prices.values()].sort((a, b) => (a.model < b.model ? -1 : 1));
    },

    /** Sets or changes the price of a model, for calls from now on. Throws `invalid_fields`. */
    async put(price: Price): Promise<void> {
      const model = price.model.trim();
      const fields: Record<string, string> = {};
      if (model === '' || model.length > MODEL_LENGTH_MAX) {
        fields.model = `Between 1 and ${MODEL_LENGTH_MAX} characters`;
      }
      for (const name of ['prompt', 'completion', 'cached'] as const) {
        const value = price[name];
        if (value !== null && !(value >= 0 && value <= PRICE_MAX)) fields[name] = 'A number of 0 or more, such as 2.50';
      }
      if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
      const kept: Price = { ...price, model };
      await usage.putPrice(kept);
      prices.set(model, kept);
    },

    /** Calls from now on have no price. Throws `not_found` for a model that has none. */
    async remove(model: string): Promise<void> {
      if (!(await usage.deletePrice(model))) throw new AppError('not_found', { message: 'That model has no price.' });
      prices.delete(model);
    },
  };
}
