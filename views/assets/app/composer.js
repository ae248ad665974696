// The composer: Enter sends, except on touch keyboards, which have no other way to break a line; a draft outlives a reload.
// Markup: views/chat/composer.tsx.
import { chosen, clearChosen } from './attachments.js';
import { jump } from './follow.js';
import { checkLengths } from './length.js';
import { $, composes, forget, keep, recall } from './page.js';

// On touch screens the keyboard would cover what the reader came for.
export function focusComposer() {
  if (!matchMedia('(pointer: coarse)').matches) $('#composer-text')?.focus({ preventScroll: true });
}

const draftKey = () => `draft:${$('#composer-form').getAttribute('action')}`;

document.addEventListener('keydown', (event) => {
  if (event.target.id !== 'composer-text' || event.key !== 'Enter') return;
  if (event.shiftKey || composes(event) || matchMedia('(pointer: coarse)').matches) return;
  event.preventDefault();
  // While an answer grows there is Stop in place of Send, and the text waits.
  const send = $('#composer-actions [form="composer-form"]');
  if (send && (event.target.value.trim() || chosen.length > 0)) event.target.form.requestSubmit(send);
});

// A draft outlives a reload, also the one that leads to signing in again.
document.addEventListener('input', (event) => {
  if (event.target.id !== 'composer-text') return;
  $('#composer-error').textContent = '';
  keep(draftKey(), event.target.value);
});
// Where htmx sends it, the draft stays until the message is taken.
document.addEventListener('submit', (event) => {
  if (event.target.id === 'composer-form' && !event.defaultPrevented) forget(draftKey());
});
const composer = $('#composer-text');
if (composer) {
  composer.value ||= recall(draftKey()) ?? '';
  checkLengths();
  if (!$('main [autofocus]:not([popover] *)')) focusComposer();
}

export function composerFailed(reason = $('#composer').dataset.unreachable) {
  $('#composer-error').textContent = reason;
}

document.addEventListener('htmx:after:request', ({ target, detail }) => {
  if (target.id !== 'composer-form' || detail.ctx.response.status !== 204) return;
  forget(draftKey());
  $('#composer-text').value = '';
  $('#composer-error').textContent = '';
  checkLengths();
  clearChosen();
  jump();
});
// The button that asks an agent to go on is gone with that. What was typed stays.
document.addEventListener('htmx:after:request', ({ target, detail }) => {
  // An element that is gone meanwhile is told of by the document.
  if (!target.matches?.('.go-on') || detail.ctx.response.status !== 204) return;
  // Until then it does not ask twice.
  $('button', target).disabled = true;
  $('#composer-error').textContent = '';
  jump();
  focusComposer();
});
document.addEventListener('htmx:error', ({ target }) => {
  if (target.matches?.('#composer-form, .go-on')) composerFailed();
});
document.addEventListener('click', ({ target }) => {
  if (target.closest('#jump')) {
    jump();
    focusComposer();
  }
  if (target.matches('.composer-box')) $('#composer-text')?.focus();
});
