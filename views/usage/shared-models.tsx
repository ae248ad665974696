import { Notice } from '../kit/notice';
import type { FormState } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';

/** The models for which the administrator's shared key may be used. */
export function SharedModels({ form: { values, errors, message } }: { form: FormState }) {
  const t = useText().sharedModels;
  return (
    <section id="shared-models" class="card" aria-labelledby="shared-models-title">
      <h2 id="shared-models-title">{t.title}</h2>
      <p class="quiet">{t.lead}</p>
      <form id="shared-models-form" method="post" action="/admin/prices/shared">
        {message && (
          <Notice kind="bad" role="alert">
            <Sentence of={message} />
          </Notice>
        )}
        <div class="field">
          <label for="shared-models-list">{t.label}</label>
          <textarea
            id="shared-models-list"
            name="models"
            rows={4}
            spellcheck={false}
            aria-describedby={errors.models ? 'shared-models-error shared-models-help' : 'shared-models-help'}
            aria-invalid={errors.models ? 'true' : undefined}
          >
            {values.models}
          </textarea>
          {errors.models && (
            <p id="shared-models-error" class="field-error">
              <Sentence of={errors.models} />
            </p>
          )}
          <p id="shared-models-help" class="field-help">
            {t.help}
          </p>
        </div>
      </form>
      <div class="row">
        <button type="submit" form="shared-models-form" class="button primary">
          {t.save}
        </button>
      </div>
    </section>
  );
}
