import { Icon } from '../icons';
import type { Shell } from '../models';
import { useText } from '../render';
import { ThemeChoice } from '../settings/theme-choice';

/** The signed-in user, with links to the settings and to sign-out. */
export function AccountMenu({ user }: { user: Shell['user'] }) {
  const t = useText();
  return (
    <div class="account">
      <button type="button" class="account-button" popovertarget="account-menu">
        <span class="visually-hidden">{t.account.label}</span>
        <span class="avatar" aria-hidden="true">
          {[...user.name.trim()][0]?.toUpperCase()}
        </span>
        <span class="ellipsis" dir="auto">
          {user.name}
        </span>
        <Icon name="chevrons-up-down" />
      </button>
      <div id="account-menu" class="menu" popover="auto">
        <p class="menu-note">
          <span class="ellipsis">{user.email}</span>
          {user.admin && <span class="badge">{t.account.admin}</span>}
        </p>
        <ThemeChoice />
        <hr />
        <a class="menu-item" href="/conversations?shelf=archived">
          <Icon name="archive" />
          {t.sidebar.archived}
        </a>
        <a class="menu-item" href="/usage">
          <Icon name="chart-column" />
          {t.account.usage}
        </a>
        {user.admin && (
          <a class="menu-item" href="/admin">
            <Icon name="shield" />
            {t.account.administration}
          </a>
        )}
        <a class="menu-item" href="/settings">
          <Icon name="settings" />
          {t.account.settings}
        </a>
        <button
          type="button"
          id="keys-open"
          class="menu-item script-only"
          popovertarget="account-menu"
          popovertargetaction="hide"
        >
          <Icon name="keyboard" />
          {t.shortcuts.title}
        </button>
        <form method="post" action="/sign-out">
          <button type="submit" class="menu-item">
            <Icon name="log-out" />
            {t.account.signOut}
          </button>
        </form>
      </div>
    </div>
  );
}
