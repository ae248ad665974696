import { useText } from '../render';

/** The keys that work on every page. app/keys.js opens it by `?`. */
export function KeysDialog() {
  const t = useText().shortcuts;
  return (
    <dialog id="keys-dialog" class="keys" aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">{t.title}</h2>
      <dl>
        {t.list.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <button type="button" id="keys-close" class="button">
        {t.close}
      </button>
    </dialog>
  );
}
