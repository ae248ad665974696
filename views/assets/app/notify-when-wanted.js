// Loads notify.js once the page is hidden, and before that where notifications are switched on, or may be: `data-notify` of
// views/layout.tsx, and the switch of views/settings/notify-choice.tsx. Another tab may switch them on.
import { $ } from './page.js';

function loadNotify() {
  let isWanted;
  try {
    isWanted = localStorage.getItem('notify') === 'on' || document.hidden;
  } catch {
    // Blocked storage would not keep the choice.
    return;
  }
  const url = $('.app')?.dataset.notify;
  // Locks are there by https only.
  if (url && 'locks' in navigator && 'BroadcastChannel' in window && (isWanted || $('#notify'))) import(url);
}
addEventListener('storage', loadNotify);
// A page that its reader leaves is hidden too, and gone then.
document.addEventListener('visibilitychange', () => setTimeout(loadNotify));
loadNotify();
