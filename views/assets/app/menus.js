// Menus: arrows lead through them. That of a conversation comes from the server, and opens beside its button. Markup:
// `role="menu"`, `.dialog` of views/kit/confirm.tsx, and views/chat/options.tsx.
import { $ } from './page.js';

export const options = $('#options');
export const undo = $('#undo');
export let optionsButton;

function placeOptions() {
  const { left, bottom } = optionsButton.getBoundingClientRect();
  const within = (at, size, room) => `${Math.max(8, Math.min(at, room - size - 8))}px`;
  options.style.left = within(left, options.offsetWidth, innerWidth);
  options.style.top = within(bottom + 4, options.offsetHeight, innerHeight);
}

export function openOptions(button) {
  optionsButton = button;
  options.showPopover({ source: button });
  placeOptions();
  button.setAttribute('aria-expanded', 'true');
  $('[role="menuitem"]', options).focus();
}
addEventListener('resize', () => {
  if (options?.matches(':popover-open')) placeOptions();
});
options?.addEventListener('toggle', ({ newState }) => {
  if (newState === 'closed') optionsButton.setAttribute('aria-expanded', 'false');
});

document.addEventListener('keydown', (event) => {
  const { key, target, shiftKey } = event;
  const isOpener = target.matches('[aria-haspopup="menu"]');
  if (isOpener && (key === ' ' || key === 'ArrowDown')) {
    event.preventDefault();
    target.click();
    return;
  }
  // In a dialog, Tab goes round.
  const dialog = target.closest('.dialog:popover-open');
  const stops = [...(dialog?.querySelectorAll('a, button, input:not([type="hidden"])') ?? [])];
  if (key === 'Tab' && dialog && target === stops.at(shiftKey ? 0 : -1)) {
    event.preventDefault();
    stops.at(shiftKey ? -1 : 0).focus();
  }
  const menu = target.closest('.menu') ?? $('.menu:popover-open');
  if (!menu || dialog || target.matches('input, select, textarea')) return;
  if (key === 'Tab' && target.matches('[role="menuitem"]')) menu.hidePopover();
  const items = [...menu.querySelectorAll('a, button')].filter((item) => item.checkVisibility());
  const at = items.indexOf(target);
  const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[key];
  if (to === undefined || items.length === 0) return;
  event.preventDefault();
  items.at(to % items.length).focus();
});
