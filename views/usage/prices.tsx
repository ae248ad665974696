import { Confirm } from '../kit/confirm';
import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { TableBox } from '../kit/table-box';
import type { FormState } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { PriceView } from './models';

/** The prices of models, and the form to change them. */
export function PriceTable({ prices }: { prices: PriceView[] }) {
  const t = useText().prices;
  const withPerCall = prices.some(({ perCall }) => perCall !== undefined);
  return (
    <section id="prices" class="card" aria-labelledby="prices-title">
      <h2 id="prices-title">{t.title}</h2>
      <p class="quiet">{t.lead}</p>
      {prices.length === 0 ? (
        <p>{t.none}</p>
      ) : (
        <TableBox labelledBy="prices-title">
          <thead>
            <tr>
              <th scope="col">{t.model}</th>
              <th scope="col">{t.prompt}</th>
              <th scope="col">{t.completion}</th>
              <th scope="col">{t.cached}</th>
              {withPerCall && <th scope="col">{t.perCall}</th>}
            </tr>
          </thead>
          <tbody>
            {prices.map((price) => (
              <PriceRow key={price.model} price={price} withPerCall={withPerCall} />
            ))}
          </tbody>
        </TableBox>
      )}
    </section>
  );
}

function PriceRow({ price, withPerCall }: { price: PriceView; withPerCall: boolean }) {
  const t = useText().prices;
  const n = useNumbers();
  const { model } = price;
  return (
    <tr>
      <th scope="row">
        <a href={`/admin/prices?model=${encodeURIComponent(model)}#set-price`} aria-label={t.changeOf(model)}>
          {model}
        </a>
      </th>
      <td>{n.price(price.prompt)}</td>
      <td>{n.price(price.completion)}</td>
      <td>{price.cached === undefined ? <span class="quiet">{t.asPrompt}</span> : n.price(price.cached)}</td>
      {withPerCall && (
        <td>{price.perCall === undefined ? <span class="quiet">{t.noPerCall}</span> : n.price(price.perCall)}</td>
      )}
    </tr>
  );
}

/** Adds a price, or changes the price of `editing`. */
export function PriceForm({ form, editing }: { form: FormState; editing?: string | undefined }) {
  const t = useText().prices;
  const amount = { type: 'text', inputmode: 'decimal', autocomplete: 'off' } as const;
  return (
    <section id="set-price" class="card" aria-labelledby="set-price-title">
      <h2 id="set-price-title">{editing === undefined ? t.add : t.edit(editing)}</h2>
      <form id="price-form" method="post" action="/admin/prices" class="field-grid">
        <FormNotice form={form} />
        <Field
          id="price-model"
          {...fieldOf(form, 'model')}
          label={t.model}
          help={t.modelHelp}
          autocomplete="off"
          required
        />
        <Field id="price-prompt" {...fieldOf(form, 'prompt')} label={t.promptLabel} {...amount} required />
        <Field id="price-completion" {...fieldOf(form, 'completion')} label={t.completionLabel} {...amount} required />
        <Field id="price-cached" {...fieldOf(form, 'cached')} label={t.cachedLabel} help={t.cachedHelp} {...amount} />
        <Field
          id="price-per-call"
          {...fieldOf(form, 'per_call')}
          label={t.perCallLabel}
          help={t.perCallHelp}
          {...amount}
        />
      </form>
      <div class="row">
        <button type="submit" form="price-form" class="button primary">
          {t.save}
        </button>
        {editing !== undefined && (
          <>
            <a class="button" href="/admin/prices">
              {t.cancel}
            </a>
            <Confirm
              id="remove-price"
              triggerClass="button quiet-button"
              trigger={t.remove}
              question={t.removeQuestion(editing)}
              consequence={t.removeConsequence}
              action="/admin/prices/remove"
              label={t.remove}
              fields={{ model: editing }}
            />
          </>
        )}
      </div>
    </section>
  );
}
