/** Prices of models: the administrator's page, and `/api/admin/prices`. */
import { Elysia, t } from 'elysia';
import { AdminPricesPage } from '../../../views/admin/page';
import type { FormState } from '../../../views/models';
import type { PriceView } from '../../../views/usage/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { ShellOf } from '../../accounts/present-pages';
import { AppError } from '../../lib/errors';
import { numberOf } from '../../lib/text';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { saidOf } from '../budgets/present';
import type { Price } from '../store/calls';
import type { PricesService } from './prices';

const priceBody = t.Object({
  prompt: t.Number(),
  completion: t.Number(),
  cached: t.Optional(t.Number()),
  per_call: t.Optional(t.Number()),
});

interface PricesRoutesDeps {
  readonly prices: PricesService;
  readonly shell: ShellOf;
}

export function pricesRoutes(deps: PricesRoutesDeps, session: SessionPlugin) {
  const { prices } = deps;

  return (
    new Elysia({ name: 'prices' })
      .use(session)
      .get('/admin/prices', ({ who, query }) => pricesPage(deps, who, query), {
        admin: true,
        query: t.Object({ model: t.Optional(t.String()), said: t.Optional(t.String()) }),
      })
      .post(
        '/admin/prices',
        async ({ who, body, request }) => {
          const { model, prompt, completion, cached, per_call } = body;
          try {
            await prices.put({
              model,
              prompt: numberOf(prompt) ?? Number.NaN,
              completion: numberOf(completion) ?? Number.NaN,
              cached: numberOf(cached),
              perCall: numberOf(per_call ?? ''),
            });
          } catch (error) {
            return pricesPage(deps, who, {}, refusedForm(body, error));
          }
          return seeOther(request, '/admin/prices?said=price');
        },
        {
          admin: true,
          audit: 'price.set',
          body: t.Object({
            model: t.String(),
            prompt: t.String(),
            completion: t.String(),
            cached: t.String(),
            per_call: t.Optional(t.String()),
          }),
        },
      )
      .post(
        '/admin/prices/remove',
        async ({ body, request }) => {
          await prices.remove(body.model);
          return seeOther(request, '/admin/prices?said=no-price');
        },
        { admin: true, audit: 'price.removed', body: t.Object({ model: t.String() }) },
      )

      .post(
        '/admin/prices/shared',
        async ({ who, body, request }) => {
          try {
            await prices.putSharedModels(body.models.split('\n'));
          } catch (error) {
            const { form: shared, status } = refusedForm(body, error);
            return pricesPage(deps, who, {}, { shared, status });
          }
          return seeOther(request, '/admin/prices?said=shared-models#shared-models');
        },
        { admin: true, audit: 'shared_models.set', body: t.Object({ models: t.String() }) },
      )

      .get('/api/admin/shared-models', () => ({ models: prices.sharedModels() }), { admin: true })
      .put(
        '/api/admin/shared-models',
        async ({ body }) => {
          await prices.putSharedModels(body.models);
          return { ok: true };
        },
        { admin: true, audit: 'shared_models.set', body: t.Object({ models: t.Array(t.String()) }) },
      )
      .get('/api/admin/prices', () => ({ prices: prices.list().map(priceJson) }), { admin: true })
      // Model names contain slashes, so a name is the rest of the path.
      .put(
        '/api/admin/prices/*',
        async ({ params, body }) => {
          const { prompt, completion, cached = null, per_call: perCall = null } = body;
          const price: Price = { model: modelIn(params), prompt, completion, cached, perCall };
          await prices.put(price);
          return { ok: true };
        },
        { admin: true, audit: 'price.set', body: priceBody },
      )
      .delete(
        '/api/admin/prices/*',
        async ({ params }) => {
          await prices.remove(modelIn(params));
          return { ok: true };
        },
        { admin: true, audit: 'price.removed' },
      )
  );
}

function priceJson({ perCall, ...price }: Price) {
  return { ...price, ...(perCall !== null && { per_call: perCall }) };
}

/** The rest of the path, with its slashes as they are or as `%2F`. */
function modelIn(params: { readonly '*': string }): string {
  try {
    return decodeURIComponent(params['*']);
  } catch (cause) {
    throw new AppError('invalid_request', { message: 'The name of the model is not a valid URL encoding.', cause });
  }
}

async function pricesPage(
  deps: PricesRoutesDeps,
  who: Who,
  query: { readonly model?: string | undefined; readonly said?: string | undefined },
  refused?: { readonly form?: FormState; readonly shared?: FormState; readonly status: number },
): Promise<Response> {
  const prices = deps.prices.list().map(({ cached, perCall, ...price }) => ({
    ...price,
    ...(cached !== null && { cached }),
    ...(perCall !== null && { perCall }),
  }));
  const edited = prices.find(({ model }) => model === (refused?.form?.values.model ?? query.model));
  return page(
    who,
    <AdminPricesPage
      shell={await deps.shell(who)}
      prices={prices}
      form={refused?.form ?? priceForm(edited, query.model)}
      editing={edited?.model}
      shared={refused?.shared ?? { values: { models: deps.prices.sharedModels().join('\n') }, errors: {} }}
      flash={saidOf(who, query.said)}
    />,
    refused?.status ?? 200,
  );
}

/** The form that changes a price, or adds one, possibly for a known model. */
function priceForm(price: PriceView | undefined, model = ''): FormState {
  if (!price) return { values: { model }, errors: {} };
  const { prompt, completion, cached, perCall } = price;
  const values = {
    ...{ prompt: String(prompt), completion: String(completion) },
    ...{ cached: String(cached ?? ''), per_call: String(perCall ?? '') },
  };
  return { values: { model: price.model, ...values }, errors: {} };
}
