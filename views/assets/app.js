// What the browser adds to pages that work without it. No library but htmx, no words: those are in the page.
const $ = (selector, root = document) => root.querySelector(selector);
const messages = $('#messages');
const live = $('#live');

// Theme: theme.js applied the stored one before the first paint.

function markTheme() {
  const chosen = document.documentElement.dataset.theme ?? 'system';
  for (const button of document.querySelectorAll('[data-theme-choice]')) {
    button.setAttribute('aria-pressed', String(button.dataset.themeChoice === chosen));
  }
}

function chooseTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('theme', theme);
  } catch {
    // Blocked storage: the choice lasts as long as the page.
  }
  markTheme();
}

// Notifications: only a page on which they are switched on, or may be, loads what they need. Another tab may switch them on.

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

// Copying: the answer's Markdown, a code block, or the one line beside the button.

async function copy(button) {
  const from = button.dataset.copyFrom;
  const text = from ? fetchText(from) : Promise.resolve($('code', button.parentElement).textContent);
  // Only secure origins have navigator.clipboard, and many installations are plain http in a local network.
  if (!navigator.clipboard) copyByEvent(await text);
  // Safari writes only what it was promised during the click.
  else
    await navigator.clipboard.write([
      new ClipboardItem({ 'text/plain': text.then((words) => new Blob([words], { type: 'text/plain' })) }),
    ]);
  const label = button.getAttribute('aria-label');
  button.dataset.copied = '';
  button.setAttribute('aria-label', document.body.dataset.copied);
  setTimeout(() => {
    delete button.dataset.copied;
    button.setAttribute('aria-label', label);
  }, 1500);
}

async function fetchText(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

function copyByEvent(text) {
  const area = Object.assign(document.createElement('textarea'), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.themeChoice) chooseTheme(button.dataset.themeChoice);
  if (button?.matches('[data-copy], [data-copy-from], .copy-code')) copy(button);
  if (button?.dataset.reveals) reveal(button);
  if (button?.id === 'jump') {
    jump();
    focusComposer();
  }
  if (event.target.matches('.composer-box')) $('#composer-text')?.focus();
});

function reveal(button) {
  const isShown = button.getAttribute('aria-pressed') !== 'true';
  button.setAttribute('aria-pressed', String(isShown));
  document.getElementById(button.dataset.reveals).type = isShown ? 'text' : 'password';
}

// Files: what is dropped anywhere on the page goes with its form, or to the composer.

const drop = $('[data-drop], .composer-box:has(input[type="file"])');

if (drop) {
  const isComposer = !drop.hasAttribute('data-drop');
  const mark = (isOver) => (isComposer ? $('.composer-box') : drop)?.toggleAttribute('data-over', isOver);
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) mark(false);
  });
  addEventListener('drop', (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    mark(false);
    if (isComposer) {
      if ($('#composer-files')) choose([...event.dataTransfer.files]);
      return;
    }
    $('input[type="file"]', drop).files = event.dataTransfer.files;
    drop.requestSubmit();
  });
}

// Files for a message: chosen, pasted or dropped, they are in the composer's own input, and listed above it.

let chosen = [];

function showChosen() {
  const input = $('#composer-files');
  if (!input) return;
  const files = new DataTransfer();
  for (const file of chosen) files.items.add(file);
  input.files = files.files;
  $('#composer-text').required = chosen.length === 0;
  const list = $('#composer-chosen');
  list.hidden = chosen.length === 0;
  list.replaceChildren(...chosen.map(chipOf));
}

function chipOf(file) {
  const chip = $('#composer-chip').content.cloneNode(true);
  $('.ellipsis', chip).textContent = file.name;
  const button = $('button', chip);
  button.setAttribute('aria-label', button.getAttribute('aria-label').replace('{name}', file.name));
  button.addEventListener('click', () => {
    const index = chosen.indexOf(file);
    chosen = chosen.filter((one) => one !== file);
    showChosen();
    const buttons = document.querySelectorAll('#composer-chosen button');
    (buttons[Math.min(index, buttons.length - 1)] ?? $('#composer-text')).focus();
  });
  if (/^image\/(png|jpeg|gif|webp)$/.test(file.type)) {
    const image = $('img', chip);
    const reader = new FileReader();
    reader.addEventListener('load', () => Object.assign(image, { src: reader.result, hidden: false }));
    $('.icon', chip).remove();
    reader.readAsDataURL(file);
  }
  return chip;
}

function choose(files) {
  const { bytesMax, countMax, tooLarge, tooMany } = $('#composer-files').dataset;
  const large = files.find(({ size }) => size > Number(bytesMax));
  const fitting = files.filter(({ size }) => size <= Number(bytesMax));
  const isTooMany = chosen.length + fitting.length > Number(countMax);
  const error = isTooMany ? tooMany : large ? tooLarge.replace('{name}', large.name) : '';
  chosen = [...chosen, ...fitting].slice(0, Number(countMax));
  $('#composer-error').textContent = error;
  showChosen();
}

document.addEventListener('change', ({ target }) => {
  if (target.id === 'composer-files') choose([...target.files]);
});
document.addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files];
  // Office programs add a picture of the text that is pasted.
  if (event.target.id !== 'composer-text' || files.length === 0 || event.clipboardData.types.includes('text/plain'))
    return;
  if (!$('#composer-files')) return;
  event.preventDefault();
  choose(files);
});

// Times: the page has them in UTC. In its language, written as the browser's region does.

function formatsOf(language) {
  const region = new Intl.Locale(navigator.language).maximize().region;
  return region ? `${language}-${region}` : language;
}
const formats = formatsOf(document.documentElement.lang);

// A new schedule is in the time zone of this browser.
for (const field of document.querySelectorAll('#zone-new:not([value])')) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function localTimes(root) {
  const now = new Date();
  const clock = { hour: 'numeric', minute: '2-digit' };
  for (const time of root.querySelectorAll('time:not([title])')) {
    const date = new Date(time.dateTime);
    const day = { day: 'numeric', month: 'short' };
    const isThisYear = date.getFullYear() === now.getFullYear();
    const isToday = date.toDateString() === now.toDateString();
    const shown = isToday ? clock : isThisYear ? { ...day, ...clock } : { ...day, year: 'numeric' };
    time.textContent = date.toLocaleString(formats, shown);
    time.title = date.toLocaleString(formats);
  }
}

// Conversations: the page has them under days in UTC, and its updates bring some without.

const conversations = $('#conversations');

function dayOf(date) {
  const { today, yesterday, week } = conversations.dataset;
  const daysAgo = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (daysAgo <= 0) return today;
  if (daysAgo === 1) return yesterday;
  if (daysAgo <= 7) return week;
  return date.toLocaleDateString(formats, { month: 'long', year: 'numeric' });
}

function localDays() {
  if (!conversations) return;
  const headings = [...conversations.querySelectorAll('.day')];
  let last;
  for (const item of conversations.querySelectorAll('[data-at]')) {
    const day = dayOf(new Date(Number(item.dataset.at)));
    if (day === last) continue;
    last = day;
    const heading = headings.shift() ?? Object.assign(document.createElement('li'), { className: 'day' });
    if (heading.textContent !== day) heading.textContent = day;
    if (item.previousElementSibling !== heading) item.before(heading);
  }
  for (const heading of headings) heading.remove();
}

// The link of a conversation goes where its time belongs, as long as that is loaded, and is nowhere else.
function placeLink(task) {
  const link = task.fragment.firstElementChild;
  const links = [...task.target.querySelectorAll('[data-at]')];
  const here = document.getElementById(link.id);
  const others = links.filter((one) => one !== here);
  const next = others.find(({ dataset }) => Number(dataset.at) <= Number(link.dataset.at));
  if (links.indexOf(here) === (next ? others.indexOf(next) : others.length)) {
    Object.assign(task, { target: here, swapSpec: { style: 'outerMorph' } });
    return;
  }
  here?.remove();
  if (next) Object.assign(task, { target: next, swapSpec: { style: 'beforebegin' } });
  else task.swapSpec = { style: $('.older', task.target) ? 'none' : 'beforeend' };
}

// The page's title, behind the number of unread conversations.
let plainTitle;
let countedTitle;

function countUnread() {
  // An update may have brought another title.
  if (document.title !== countedTitle) plainTitle = document.title;
  const count = document.querySelectorAll('#sidebar .unread').length;
  countedTitle = count > 0 ? `(${count}) ${plainTitle}` : plainTitle;
  if (document.title !== countedTitle) document.title = countedTitle;
}

// Search: `/` and Ctrl+K open it over the page, arrows lead from what is typed through what is found.

const search = $('#search-dialog');

function openSearch() {
  if (search) search.showModal();
  $('#search-query').select();
}

document.addEventListener('click', (event) => {
  if (event.target === search) search.close();
  if (!event.target.closest('.search-link') || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openSearch();
});
document.addEventListener('keydown', (event) => {
  const isTyping = event.target.matches('input, textarea, select');
  const isSlash = event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isK = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if ($('#search-query') && (isSlash || isK)) {
    event.preventDefault();
    openSearch();
  }
  // A search field would only clear itself.
  if (event.key === 'Escape' && search?.open && !event.isComposing) {
    event.preventDefault();
    search.close();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.isComposing || !event.target.closest('.search')) return;
  event.preventDefault();
  const stops = [$('#search-query'), ...document.querySelectorAll('#search-results a')];
  stops[Math.max(0, Math.min(stops.length - 1, stops.indexOf(event.target) + step))].focus();
});

// Keys: `n` begins a conversation, `?` lists the keys, an arrow up in an empty composer edits the last message, Escape leaves
// the edit or stops the answer. What is open above the page comes first.

document.addEventListener('keydown', (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || event.isComposing || $('dialog:modal, :popover-open')) return;
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

// Menus: arrows lead through them. That of a conversation comes from the server, and opens beside its button.

const options = $('#options');
const undo = $('#undo');
let optionsButton;

function openOptions(button) {
  optionsButton = button;
  options.showPopover({ source: button });
  const { left, bottom } = button.getBoundingClientRect();
  const within = (at, size, room) => `${Math.max(8, Math.min(at, room - size - 8))}px`;
  options.style.left = within(left, options.offsetWidth, innerWidth);
  options.style.top = within(bottom + 4, options.offsetHeight, innerHeight);
  button.setAttribute('aria-expanded', 'true');
  $('[role="menuitem"]', options).focus();
}
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

// Scrolling: the page follows the answer until its reader scrolls up, and again from the end on or after sending. What
// the page itself does never takes it up: a smaller place is at the end as well.

let following = true;
let lastY = 0;
let lastHeight = 0;
const fromEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY;

function jump() {
  following = true;
  scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
  $('#jump').hidden = true;
}

function follow() {
  if (following) jump();
}

if (messages) {
  addEventListener('scroll', () => {
    if (fromEnd() < 2) following = true;
    // A page that became shorter has moved its reader by itself.
    else if (scrollY < lastY && document.documentElement.scrollHeight >= lastHeight) following = false;
    lastY = scrollY;
    lastHeight = document.documentElement.scrollHeight;
    $('#jump').hidden = following;
  });
  new ResizeObserver(follow).observe($('main'));
  addEventListener('resize', follow);
  if (!location.hash) jump();
}

// Focus and selection outlive the parts they are in.

// On touch screens the keyboard would cover what the reader came for.
function focusComposer() {
  if (!matchMedia('(pointer: coarse)').matches) $('#composer-text')?.focus({ preventScroll: true });
}

// Where a point of the selection is in the text of an element.
function offsetIn(element, node, offset) {
  const range = document.createRange();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

function pointAt(element, offset) {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = offset;
  let text = texts.nextNode();
  for (let next = texts.nextNode(); text && left > text.length && next; next = texts.nextNode()) {
    left -= text.length;
    text = next;
  }
  return text ? [text, Math.min(left, text.length)] : [element, 0];
}

// The selection in the text of one message. The function restores it where an update has taken it away.
function keepSelection() {
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed } = selection;
  const prose = isCollapsed ? null : (anchorNode.closest?.('.prose') ?? anchorNode.parentElement?.closest('.prose'));
  if (!prose?.contains(focusNode)) return () => {};
  const words = selection.toString();
  const from = offsetIn(prose, anchorNode, anchorOffset);
  const to = offsetIn(prose, focusNode, focusOffset);
  return () => {
    const place = document.getElementById(prose.id);
    if (place && selection.toString() !== words)
      selection.setBaseAndExtent(...pointAt(place, from), ...pointAt(place, to));
  };
}

// Composer: Enter sends, except on touch keyboards, which have no other way to break a line.

const draftKey = () => `draft:${$('#composer-form').getAttribute('action')}`;

document.addEventListener('keydown', (event) => {
  if (event.target.id !== 'composer-text' || event.key !== 'Enter') return;
  if (event.shiftKey || event.isComposing || matchMedia('(pointer: coarse)').matches) return;
  event.preventDefault();
  // While an answer grows there is Stop in place of Send, and the text waits.
  const send = $('#composer-actions [form="composer-form"]');
  if (send && (event.target.value.trim() || chosen.length > 0)) event.target.form.requestSubmit(send);
});

// A draft outlives a reload, also the one that leads to signing in again.
document.addEventListener('input', (event) => {
  if (event.target.id !== 'composer-text') return;
  sessionStorage.setItem(draftKey(), event.target.value);
  $('#composer-error').textContent = '';
});
document.addEventListener('submit', (event) => {
  if (event.target.id === 'composer-form') sessionStorage.removeItem(draftKey());
});
const composer = $('#composer-text');
if (composer) {
  composer.value ||= sessionStorage.getItem(draftKey()) ?? '';
  if (!$('main [autofocus]:not([popover] *)')) focusComposer();
}

function composerFailed() {
  sessionStorage.setItem(draftKey(), $('#composer-text').value);
  $('#composer-error').textContent = $('#composer').dataset.unreachable;
}

document.addEventListener('htmx:after:request', ({ target, detail }) => {
  if (detail.ctx.response.status === 401) signedOut();
  if (target.id !== 'composer-form' || detail.ctx.response.status !== 204) return;
  $('#composer-text').value = '';
  $('#composer-error').textContent = '';
  chosen = [];
  showChosen();
  jump();
});
document.addEventListener('htmx:response:error', ({ target, detail }) => {
  // The conversation is gone: the page itself says so.
  if (
    detail.ctx.response.status === 404 &&
    target.matches('#live, #composer-form, #options *, #undo *, [aria-haspopup="menu"]')
  )
    location.reload();
  else if (target === live) retryLive();
});
document.addEventListener('htmx:error', ({ target }) => {
  if (target === live) retryLive();
  if (target.id === 'composer-form') composerFailed();
});

// Updates.

let keptFromEnd;
let keptSelection;
let focused;
let isOfOptions;

document.addEventListener('htmx:before:swap', (event) => {
  const { target, detail } = event;
  isOfOptions = target.closest('#options, #undo') !== null;
  keptSelection = keepSelection();
  focused = document.activeElement;
  const refused = target.id === 'composer-form' && detail.ctx.response.status >= 400;
  if (refused && !detail.tasks.some((task) => task.fragment.querySelector('#composer'))) {
    // Not our composer with a reason, but a page from something in between.
    event.preventDefault();
    composerFailed();
  }
  // An older page of conversations brings the current one again, and those that moved.
  if (target.matches('.older a'))
    for (const { fragment } of detail.tasks)
      for (const { id } of fragment.querySelectorAll('[data-at]')) document.getElementById(id)?.remove();
  // What is read stays where it is when earlier messages come in above it.
  if (target.matches('.earlier a')) keptFromEnd = fromEnd();
  for (const task of detail.tasks) {
    if (task.swapSpec.style === 'afterbegin' && task.target) placeLink(task);
    if (target !== live) continue;
    // A message or step that is here already is replaced, so that an event that came twice does no harm.
    const id = task.swapSpec.style === 'beforeend' && task.fragment.firstElementChild?.id;
    const present = id && document.getElementById(id);
    if (present) Object.assign(task, { target: present, swapSpec: { style: 'outerHTML' } });
  }
});
document.addEventListener('htmx:after:swap', ({ target, detail }) => {
  // A refused message keeps its files.
  if (chosen.length > 0 && $('#composer-files')?.files.length === 0) showChosen();
  localTimes(document);
  localDays();
  countUnread();
  if (keptFromEnd !== undefined) scrollTo(0, document.documentElement.scrollHeight - innerHeight - keptFromEnd);
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
      $(':is(#messages textarea, #options input)[autofocus]') ?? (focused.id && document.getElementById(focused.id));
    if (anew) anew.focus();
    else focusComposer();
  }
  focused = undefined;
});

// The answer that is being written grows by changes of its last elements: views/growth.ts says what they are.
function growAnswer(prose, changes) {
  for (const [depth, nodes, units, html] of changes) {
    let place = prose;
    for (let level = 0; level < depth; level++) place = place.lastElementChild;
    // Adjoining texts are one.
    if (nodes + units > 0) place.normalize();
    for (let count = 0; count < nodes; count++) place.lastChild.remove();
    if (units > 0) place.lastChild.deleteData(place.lastChild.length - units, units);
    place.insertAdjacentHTML('beforeend', html);
  }
}
function growsIn(selector) {
  return ({ detail }) => {
    const prose = $(`#messages > [aria-busy] > ${selector}`);
    if (!prose) return;
    const restore = keepSelection();
    growAnswer(prose, JSON.parse(detail.data));
    restore();
  };
}
live?.addEventListener('grow', growsIn('.prose'));
live?.addEventListener('think', growsIn('.steps > .growing > details > .prose'));

// Signed out elsewhere: the page itself knows where to send its reader. The pause is for a page that does not, and for
// one that is on its way already, such as by its own sign-out.
let leaving = false;
addEventListener('beforeunload', () => {
  leaving = true;
});
function signedOut() {
  setTimeout(() => leaving || location.reload(), 1000);
}

// hx-sse reconnects a stream that was once open; a first connection that failed is tried again here.
let retryMs = 1000;
function retryLive() {
  setTimeout(() => htmx.trigger(live, 'retry'), retryMs);
  retryMs = Math.min(retryMs * 2, 15_000);
}
document.addEventListener('htmx:sse:error', ({ detail }) => {
  if (detail.status === 401) signedOut();
  if (detail.status === 404) location.reload();
});

localTimes(document);
localDays();
countUnread();
$('.conversation-link [aria-current]')?.scrollIntoView({ block: 'nearest' });
markTheme();
loadNotify();
