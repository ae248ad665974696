import { Icon } from '../../icons';
import type { MessageView, VariantsView } from '../../models';
import { useText } from '../../render';

/** Copies the Markdown, which survives a paste better than its rendering. */
export function CopyButton({ messageId, label }: { messageId: string; label: string }) {
  return (
    <button
      type="button"
      class="icon-button small script-only"
      data-copy-from={`/messages/${messageId}/text`}
      aria-label={label}
      title={label}
    >
      <Icon name="copy" />
    </button>
  );
}

/** The way to the other variants of a message. The ids of the controls are those of all its variants, so they keep the focus. */
export function VariantArrows({ message, variants }: { message: MessageView; variants: VariantsView }) {
  const t = useText();
  const { after, number, count, previousId, nextId } = variants;
  const arrow = (id: string | undefined, name: 'previous' | 'next') => {
    const action = `/messages/${id ?? message.id}/show`;
    return (
      <form method="post" action={action} hx-post={action} hx-swap="none">
        <button
          id={`${name}-after-${after}`}
          type="submit"
          class="icon-button small"
          aria-disabled={id === undefined ? 'true' : undefined}
          aria-label={t.message.variants[name]}
          title={t.message.variants[name]}
        >
          <Icon name={name === 'previous' ? 'chevron-left' : 'chevron-right'} />
        </button>
      </form>
    );
  };
  return (
    <fieldset class="variants" aria-label={t.message.variants.label}>
      {arrow(previousId, 'previous')}
      <span>{t.message.variants.place(number, count)}</span>
      {arrow(nextId, 'next')}
    </fieldset>
  );
}

export function RetryForm({ messageId, labelled }: { messageId: string; labelled?: boolean }) {
  const t = useText();
  const action = `/messages/${messageId}/retry`;
  return (
    <form method="post" action={action} hx-post={action} hx-swap="none">
      {labelled ? (
        <button type="submit" class="button">
          <Icon name="refresh-cw" />
          {t.message.retry}
        </button>
      ) : (
        <button type="submit" class="icon-button small" aria-label={t.message.again} title={t.message.again}>
          <Icon name="refresh-cw" />
        </button>
      )}
    </form>
  );
}
