import { Icon } from '../icons';
import { useText } from '../render';

/** A text to be copied, with a button that does it. */
export function CopyLine({ label, value }: { label?: string; value: string }) {
  const t = useText();
  return (
    <p class="copy-line">
      {label && <span class="quiet">{label}</span>}
      <code>{value}</code>
      <button type="button" class="icon-button small script-only" data-copy="line" aria-label={t.copy.label}>
        <Icon name="copy" />
      </button>
    </p>
  );
}
