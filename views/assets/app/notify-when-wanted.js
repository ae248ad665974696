// Loads notify.js on a page where notifications are switched on, or may be: `data-notify` of views/layout.tsx, and the switch of
// views/settings/notify-choice.tsx. Another tab may switch them on.
import { $ } from './page.js';

function loadNotify() {
  let isWanted;
  try {
    isWanted = localStorage.getItem('notify') === 'on';
  } catch {
    // Blocked storage would not keep the choice.
    return;
  }
  const url = $('.app')?.dataset.notify;
  if (url && isSecureContext && 'Notification' in window && (isWanted || $('#notify'))) import(url);
}
addEventListener('storage', loadNotify);
loadNotify();
