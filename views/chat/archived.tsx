import { Notice } from '../kit/notice';
import { useText } from '../render';
import { UndoForm } from './options';

/** Says on the page of an archived conversation that it is one; empty on others. */
export function Archived({ conversationId, isArchived }: { conversationId: string; isArchived: boolean }) {
  const t = useText().conversation;
  return (
    <div id="archived-notice">
      {isArchived && (
        <Notice kind="info">
          <p>{t.isArchived}</p>
          <UndoForm conversationId={conversationId} shelf="list" label={t.unarchive} />
        </Notice>
      )}
    </div>
  );
}
