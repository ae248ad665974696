import { Icon, type IconName } from '../icons';
import { useText } from '../render';

const choices: { theme: 'system' | 'light' | 'dark'; icon: IconName }[] = [
  { theme: 'system', icon: 'monitor' },
  { theme: 'light', icon: 'sun' },
  { theme: 'dark', icon: 'moon' },
];

/** Follows the system or sets light or dark. app/theme-choice.js marks the current choice; without scripts the system decides. */
export function ThemeChoice() {
  const t = useText();
  return (
    <fieldset class="segments script-only">
      <legend class="visually-hidden">{t.account.theme}</legend>
      {choices.map(({ theme, icon }) => (
        <button key={theme} type="button" data-theme-choice={theme} aria-pressed="false">
          <Icon name={icon} />
          {t.account.themes[theme]}
        </button>
      ))}
    </fieldset>
  );
}
