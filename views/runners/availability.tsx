import { Notice } from '../kit/notice';
import type { RunnerView } from '../models';
import { useLocale, useText } from '../render';
import { translate } from '../sentences';

/**
 * Why an agent cannot start, shown above the composer. The element always exists, so that screen readers announce a
 * change. While it contains `#unavailable`, the styles hide the composer instead of removing it, because it may contain
 * a draft.
 */
export function Availability({ runner }: { runner: RunnerView }) {
  return (
    <div id={`availability-${runner.agentId}`} class="availability" role="status">
      <AvailabilityNotice runner={runner} />
    </div>
  );
}

/** Renders nothing if no problem is known. */
export function AvailabilityNotice({ runner }: { runner: RunnerView }) {
  const t = useText();
  const { unavailable, image } = runner;
  if (unavailable) {
    const { platform, message, hint } = unavailable;
    return (
      <Notice kind="info" id="unavailable">
        <p>
          <strong>{t.availability.title(platform)}</strong>
        </p>
        <p>
          {message === undefined ? t.availability.forUser(platform) : t.availability.forAdmin(platform)}{' '}
          {t.availability.heals}
        </p>
        <Details message={message} hint={hint} />
      </Notice>
    );
  }
  if (image?.state === 'pulling') return <p class="quiet">{t.availability.pulling}</p>;
  if (image?.state !== 'failed') return null;
  return (
    <Notice kind="info" id="no-image">
      <p>
        <strong>{t.availability.noImage}</strong>
      </p>
      <p>{image.message === undefined ? t.availability.noImageForUser : t.availability.noImageForAdmin}</p>
      <Details message={image.message} hint={image.hint} />
    </Notice>
  );
}

/** The platform's error and the remedy, for the administrator. */
function Details({ message, hint }: { message?: string | undefined; hint?: string | undefined }) {
  const locale = useLocale();
  const lines = [message, hint].filter((line) => line !== undefined).map((line) => translate(locale, line));
  return lines.length === 0 ? null : <p class="verbatim">{lines.join('\n')}</p>;
}
