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

// Copying: the answer's Markdown, a code block, or the one line beside the button.

function copyText(button) {
  if (button.matches('.copy-code')) return $('code', button.parentElement).textContent;
  if (button.dataset.copy === 'answer') return $('template', button.parentElement).content.textContent;
  return $('code', button.parentElement).textContent;
}

async function copy(button) {
  const text = copyText(button);
  // Only secure origins have navigator.clipboard, and many installations are plain http in a local network.
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyByEvent(text);
  const label = button.getAttribute('aria-label');
  button.dataset.copied = '';
  button.setAttribute('aria-label', document.body.dataset.copied);
  setTimeout(() => {
    delete button.dataset.copied;
    button.setAttribute('aria-label', label);
  }, 1500);
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
  if (button?.matches('[data-copy], .copy-code')) copy(button);
  if (button?.id === 'jump') jump();
  if (event.target.matches('.composer-box')) $('#composer-text')?.focus();
});

// Times: the page has them in UTC.

function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll('time:not([title])')) {
    const date = new Date(time.dateTime);
    const day = date.toDateString() === today ? {} : { day: 'numeric', month: 'short' };
    time.textContent = date.toLocaleString(document.documentElement.lang, {
      ...day,
      hour: 'numeric',
      minute: '2-digit',
    });
    time.title = date.toLocaleString(document.documentElement.lang);
  }
}

// Scrolling: follow the answer only while the reader is within 100 px of the end, and never fight a scroll up.

let following = true;
const fromEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY;

function jump() {
  following = true;
  scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
}

function follow() {
  if (following) jump();
  $('#jump').hidden = following;
}

if (messages) {
  addEventListener('scroll', () => {
    following = fromEnd() < 100;
    $('#jump').hidden = following;
  });
  new ResizeObserver(follow).observe($('main'));
  if (!location.hash) jump();
}

// Composer: Enter sends, except on touch keyboards, which have no other way to break a line.

const draftKey = () => `draft:${$('#composer-form').getAttribute('action')}`;

document.addEventListener('keydown', (event) => {
  if (event.target.id !== 'composer-text' || event.key !== 'Enter') return;
  if (event.shiftKey || event.isComposing || matchMedia('(pointer: coarse)').matches) return;
  event.preventDefault();
  // While an answer grows there is Stop in place of Send, and the text waits.
  const send = $('#composer-actions [form="composer-form"]');
  if (send && event.target.value.trim()) event.target.form.requestSubmit(send);
});

// A draft outlives a reload, also the one that leads to signing in again.
document.addEventListener('input', (event) => {
  if (event.target.id === 'composer-text') sessionStorage.setItem(draftKey(), event.target.value);
});
document.addEventListener('submit', (event) => {
  if (event.target.id === 'composer-form') sessionStorage.removeItem(draftKey());
});
const composer = $('#composer-text');
if (composer) {
  composer.value ||= sessionStorage.getItem(draftKey()) ?? '';
  // On touch screens the keyboard would cover what the reader came for.
  if (!matchMedia('(pointer: coarse)').matches) composer.focus({ preventScroll: true });
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
  following = true;
});
document.addEventListener('htmx:response:error', ({ target }) => {
  if (target === live) retryLive();
});
document.addEventListener('htmx:error', ({ target }) => {
  if (target === live) retryLive();
  if (target.id === 'composer-form') composerFailed();
});

// Updates.

let keptFromEnd;

document.addEventListener('htmx:before:swap', (event) => {
  const { target, detail } = event;
  const refused = target.id === 'composer-form' && detail.ctx.response.status >= 400;
  if (refused && !detail.tasks.some((task) => task.fragment.querySelector('#composer'))) {
    // Not our composer with a reason, but a page from something in between.
    event.preventDefault();
    composerFailed();
  }
  // What is read stays where it is when earlier messages come in above it.
  if (target.matches('.earlier a')) keptFromEnd = fromEnd();
  if (target !== live) return;
  for (const task of detail.tasks) {
    // A message that is here already is replaced, so that an event that came twice does no harm.
    const id = task.swapSpec.style === 'beforeend' && task.target === messages && task.fragment.firstElementChild?.id;
    const present = id && document.getElementById(id);
    if (present) Object.assign(task, { target: present, swapSpec: { style: 'outerHTML' } });
  }
});
document.addEventListener('htmx:after:swap', () => {
  localTimes(document);
  if (keptFromEnd !== undefined) scrollTo(0, document.documentElement.scrollHeight - innerHeight - keptFromEnd);
  keptFromEnd = undefined;
});

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
});

localTimes(document);
markTheme();
