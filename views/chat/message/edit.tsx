import { LengthNote } from '../../kit/length-note';
import type { EditView } from '../../models';
import { useText } from '../../render';
import { Sentence } from '../../sentences';
import { KeptFiles } from './attachments';

/** The form in place of a message that is being edited. The messages after it stay as another variant. */
export function EditMessage({ edit }: { edit: EditView }) {
  const t = useText();
  const { messageId, text, lengthMax, error } = edit;
  const href = `/messages/${messageId}`;
  return (
    <article id={`message-${messageId}`} class="message user editing">
      <h2 class="visually-hidden">{t.message.edit}</h2>
      <form
        method="post"
        action={`${href}/edit`}
        enctype="multipart/form-data"
        class="edit-form"
        hx-post={`${href}/edit`}
        hx-target="closest article"
        hx-swap="outerHTML"
      >
        <label class="visually-hidden" for={`edit-${messageId}`}>
          {t.message.editLabel}
        </label>
        <textarea
          id={`edit-${messageId}`}
          name="text"
          rows={2}
          required={edit.files.length === 0}
          dir="auto"
          autofocus
          value={text}
          aria-describedby={`edit-${messageId}-length edit-error-${messageId}`}
          aria-invalid={error ? 'true' : undefined}
        />
        <LengthNote of={`edit-${messageId}`} max={lengthMax} />
        <KeptFiles edit={edit} />
        <p id={`edit-error-${messageId}`} class="field-error" role="alert">
          <Sentence of={error} />
        </p>
        <div class="row end">
          <a class="button cancel" href={href} hx-get={href} hx-target="closest article" hx-swap="outerHTML">
            {t.confirm.cancel}
          </a>
          <button type="submit" class="button primary">
            {t.message.sendAgain}
          </button>
        </div>
      </form>
    </article>
  );
}
