// Keys: `n` begins a conversation, `?` lists the keys, an arrow up in an empty composer edits the last message, Escape leaves
// the edit or stops the answer. What is open above the page comes first. Markup: views/chat/keys.tsx has the list.
import { $, composes } from './page.js';

document.addEventListener('keydown', (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || composes(event) || $('dialog:modal, :popover-open')) return;
  const isTyping = target.matches('input, textarea, select');
  const edit = target.closest('.edit-form');
  const sends =
    key === 'Enter' &&
    !event.shiftKey &&
    edit &&
    target.matches('textarea') &&
    !matchMedia('(pointer: coarse)').matches;
  const isEmpty = target.id === 'composer-text' && target.value === '';
  let control;
  if (key === 'n' && !isTyping) control = $('.new-conversation');
  else if (key === '?' && !isTyping) control = $('#keys-open');
  else if (key === 'ArrowUp' && isEmpty) control = [...document.querySelectorAll('#messages .edit-link')].at(-1);
  else if (key === 'Escape') control = edit ? $('.cancel', edit) : $('#composer-actions .stop');
  else if (sends) control = $('[type="submit"]', edit);
  if (!control) return;
  event.preventDefault();
  control.click();
});
document.addEventListener('click', ({ target }) => {
  if (target.closest('#keys-open')) $('#keys-dialog').showModal();
  if (target.matches('#keys-dialog, #keys-close')) $('#keys-dialog').close();
});
