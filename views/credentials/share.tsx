import { Confirm } from '../kit/confirm';
import { useText } from '../render';
import { cardId, upstream } from './group';
import type { ShareView } from './models';

/** The administrator's switch: whether everybody may use these values. @param query as of the form. */
export function Share({ group, share, query = '' }: { group: string; share: ShareView; query?: string }) {
  const t = useText();
  const { isShared, canShare, receivers } = share;
  const id = `${cardId(group)}-share`;
  const words = group === upstream ? t.credentials.share : t.credentials.shareOther;
  const change = isShared
    ? {
        id: `${id}-stop`,
        name: t.credentials.unshare,
        question: t.credentials.unshareQuestion,
        consequence: words.stop,
      }
    : { id: `${id}-now`, name: t.credentials.shareNow, question: t.credentials.shareQuestion, consequence: words.off };
  return (
    <div id={id} class="sharing">
      <h3>{t.credentials.shareTitle}</h3>
      <p class="quiet">{isShared ? words.on : words.off}</p>
      {receivers.length > 0 && <p class="quiet">{words.receivers(receivers)}</p>}
      {!canShare && <p class="quiet">{isShared ? words.gone : words.nothing}</p>}
      {(isShared || canShare) && (
        <Confirm
          id={change.id}
          triggerClass="button"
          trigger={change.name}
          question={change.question}
          consequence={change.consequence}
          action={`/settings/credentials/share${query}`}
          label={change.name}
          fields={{ group, shared: String(!isShared) }}
          isHarmless={!isShared}
        />
      )}
    </div>
  );
}
