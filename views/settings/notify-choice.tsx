import { useText } from '../render';

/**
 * Whether this browser shows a notification when an answer ends unseen. notify.js shows the switch where the browser can,
 * and keeps the choice in the browser, where the permission is kept as well.
 */
export function NotifyChoice() {
  const t = useText().browser;
  return (
    <div id="notifications" class="row" hidden>
      <label class="check grow" for="notify">
        <input id="notify" type="checkbox" aria-describedby="notify-help" />
        {t.notify}
      </label>
      <p id="notify-help" class="field-help">
        {t.notifyHelp}
      </p>
      <p id="notify-said" class="field-error" role="status" data-blocked={t.notifyBlocked} />
    </div>
  );
}
