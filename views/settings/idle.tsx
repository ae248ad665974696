import { FlashNotice } from '../kit/notice';
import { SavedPlace, savedOnChange } from '../kit/saved';
import type { Text } from '../locales';
import type { Flash, IdleView } from '../models';
import { useText } from '../render';

/** Offered idle times in seconds; 0 means never. */
const choices = [300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 24 * 3600, 0];

/** The idle time of every backend's runner. */
export function IdleTimes({ idle, flash }: { idle: IdleView[]; flash?: Flash | undefined }) {
  const t = useText();
  return (
    <section id="idle" class="card" aria-labelledby="idle-title">
      <h2 id="idle-title">{t.settings.sections.idle}</h2>
      <p class="quiet">{t.idle.lead}</p>
      <FlashNotice flash={flash} id="idle-said" />
      <ul class="rows">
        {idle.map((item) => (
          <li key={item.backend} id={`idle-${item.backend}`}>
            <IdleForm item={item} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function IdleForm({ item }: { item: IdleView }) {
  const t = useText();
  const selectId = `idle-seconds-${item.backend}`;
  const allowed = choices.filter((seconds) => seconds <= item.maxSeconds);
  const offered = allowed.includes(item.seconds) ? allowed : [item.seconds, ...allowed];
  return (
    <form {...savedOnChange('/settings/idle')} class="row grow">
      <input type="hidden" name="backend" value={item.backend} />
      <label class="grow" for={selectId}>
        {item.name}
        <span class="visually-hidden">{t.idle.label(item.name)}</span>
      </label>
      <select id={selectId} name="seconds">
        {offered.map((seconds) => (
          <option key={seconds} value={String(seconds)} selected={seconds === item.seconds}>
            {duration(seconds, t)}
          </option>
        ))}
      </select>
      <SavedPlace />
      <button type="submit" class="button no-script-only" aria-label={t.idle.saveNamed(item.name)}>
        {t.idle.save}
      </button>
    </form>
  );
}

function duration(seconds: number, t: Text): string {
  if (seconds === 0) return t.idle.never;
  if (seconds % 3600 === 0) return t.idle.hours(seconds / 3600);
  if (seconds % 60 === 0) return t.idle.minutes(seconds / 60);
  return t.idle.seconds(seconds);
}
