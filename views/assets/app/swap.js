// Parts that htmx puts in place: what is read, selected and focused stays. The order matters: what follows measures the page
// or looks for what the step before has put there.
import { chosen, showChosen } from './attachments.js';
import { composerFailed, focusComposer } from './composer.js';
import { countUnread, localDays, placeLink } from './conversations.js';
import { fromEnd, hold } from './follow.js';
import { checkLengths } from './length.js';
import { openOptions, options, optionsButton, undo } from './menus.js';
import { $, live } from './page.js';
import { keepSelection } from './selection.js';
import { hideFindably } from './steps.js';
import { localTimes } from './times.js';

let keptFromEnd;
let keptSelection;
let focused;
let goesOn;
let isOfOptions;
// What takes the focus when the question of a message opens. htmx would focus it in what it has inserted: in vain, as the question
// is closed, and the browser would compute the styles of messages that are not in view.
const inClosed = [];

// The links at the ends of lists, in whose place more of the list comes.
const ENDS = '.earlier a, .older a, .more a';

// Where nothing more could be had, a link that htmx does not know: to more of the list, or to the page that says why not.
function asPlainLink(link) {
  const { className, href, textContent } = link;
  const plain = Object.assign(document.createElement('a'), { className, href, textContent });
  plain.classList.remove('htmx-request');
  const isFocused = document.activeElement === link;
  link.replaceWith(plain);
  if (isFocused) plain.focus({ preventScroll: true });
}

// A step of the growing answer comes without its place, and so do the words of the line above many steps. A step that is here
// already is changed, so that it keeps the focus, and its thought if no other comes. A call stays unfolded; a thought that ends folds.
function placeSteps(tasks) {
  const steps = $('#messages [aria-busy] > .steps');
  const parts = tasks.find(({ type }) => type === 'main')?.fragment.children ?? [];
  for (const part of steps ? [...parts] : []) {
    const fragment = document.createDocumentFragment();
    const isLine = part.matches('summary');
    fragment.append(...(isLine ? part.childNodes : [part]));
    const present = isLine ? $('.steps-fold summary', steps) : document.getElementById(part.id);
    if (present?.matches('.step:has(> [open])') && !$('.prose', part)) $('details', part).open = true;
    const change = isLine ? 'innerHTML' : $('.prose:not(:empty)', part) ? 'outerHTML' : 'outerMorph';
    tasks.push({ fragment, target: present ?? steps, swapSpec: { style: present ? change : 'beforeend' } });
  }
}

document.addEventListener('htmx:before:swap', (event) => {
  const { target, detail } = event;
  // An element that is gone meanwhile is told of by the document.
  const isEnd = target.matches?.(ENDS);
  if (isEnd && detail.ctx.response.status >= 400) {
    event.preventDefault();
    asPlainLink(target);
    return;
  }
  isOfOptions = Boolean(target.closest?.('#options, #undo'));
  keptSelection = keepSelection();
  focused = document.activeElement;
  if (target.matches?.('#composer-form, .go-on') && detail.ctx.response.status >= 400) {
    const reason = detail.tasks.map((task) => $('#composer-error', task.fragment)).find(Boolean);
    // Not our composer with a reason, but a page from something in between; or the text was not that of the composer.
    if (!reason || target.id !== 'composer-form') {
      event.preventDefault();
      composerFailed(reason?.textContent);
    }
  }
  // An older page of conversations brings the current one again, and those that moved.
  if (target.matches?.('.older a'))
    for (const { fragment } of detail.tasks)
      for (const { id } of fragment.querySelectorAll('[data-at]')) document.getElementById(id)?.remove();
  if (target.matches?.('.earlier a')) keptFromEnd = fromEnd();
  // Who has come to the end of a list by the keyboard goes on from there.
  const more = target.matches?.('.earlier a') ? target.parentElement.nextElementSibling : detail.tasks[0]?.fragment;
  goesOn = isEnd && focused === target && more ? $('a, button', more) : undefined;
  if (target === live) placeSteps(detail.tasks);
  for (const task of detail.tasks) {
    for (const one of task.fragment.querySelectorAll('.message [popover] [autofocus]')) {
      one.autofocus = false;
      inClosed.push(one);
    }
    // A link of the sidebar.
    if (task.swapSpec.style === 'afterbegin' && task.fragment.querySelector('[data-at]') && task.target)
      placeLink(task);
    if (target !== live) continue;
    // A message or step that is here already is replaced, so that an event that came twice does no harm.
    const id = task.swapSpec.style === 'beforeend' && task.fragment.firstElementChild?.id;
    const present = id && document.getElementById(id);
    if (present) Object.assign(task, { target: present, swapSpec: { style: 'outerHTML' } });
  }
});
document.addEventListener('htmx:after:swap', ({ target, detail }) => {
  for (const one of inClosed.splice(0)) one.autofocus = true;
  // A refused message keeps its text and its files.
  checkLengths();
  if (chosen.length > 0 && $('#composer-files')?.files.length === 0) showChosen();
  $('main').toggleAttribute('data-gone', document.getElementById('conversation-gone') !== null);
  // Their messages were deleted.
  for (const group of document.querySelectorAll('.past:empty')) group.remove();
  localTimes(document);
  localDays();
  hideFindably();
  // What was asked for before the page was hidden brings no marks.
  if (!document.hidden) countUnread();
  if (keptFromEnd !== undefined) hold(keptFromEnd);
  keptFromEnd = undefined;
  keptSelection?.();
  keptSelection = undefined;
  // What had the focus is gone, such as Stop with the answer that it stopped, or is there anew.
  const isOver = isOfOptions && detail.ctx.request.method === 'POST' && detail.ctx.response.status < 400;
  if (isOver) options.hidePopover();
  if (undo) undo.togglePopover(undo.childElementCount > 0);
  if (target.matches?.('[aria-haspopup="menu"]')) openOptions(target);
  else if (isOver && undo.matches(':popover-open')) $('[type="submit"]', undo).focus();
  // Its link may have moved.
  else if (isOver) document.getElementById(optionsButton?.id)?.focus();
  else if (focused && !focused.isConnected) {
    const anew =
      goesOn ??
      $(':is(#messages textarea, #options input)[autofocus]') ??
      (focused.id && document.getElementById(focused.id));
    if (anew) anew.focus();
    else focusComposer();
  }
  // Who edits a message goes on at its end.
  const { activeElement } = document;
  if (activeElement !== focused && activeElement.matches('.edit-form textarea'))
    activeElement.setSelectionRange(activeElement.value.length, activeElement.value.length);
  focused = goesOn = undefined;
});
