import { Notice } from '../kit/notice';
import { useText } from '../render';

/** Says that the newest turn of a conversation is in memory only, because the database refuses it; empty on others. */
export function Unsaved({ isUnsaved = false }: { isUnsaved?: boolean | undefined }) {
  const t = useText().conversation;
  return (
    <div id="unsaved-notice">
      {isUnsaved && (
        <Notice kind="bad" role="status">
          {t.unsaved}
        </Notice>
      )}
    </div>
  );
}
