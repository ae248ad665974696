// Going back: the browser may keep a page in its memory as it was left, and show it again at once. So a page is hidden before it
// is kept. That of a conversation appears when its stream has brought what was missed, which it does only for the user that the page
// is of. Any other is loaded again. Hidden by styles/layout.css.
import { focusComposer } from './composer.js';
import { $, live } from './page.js';

/** Milliseconds in which the stream has to answer. */
const ANSWER_MS_MAX = 5_000;

const { dataset: state } = document.documentElement;
// The stream of older messages does not tell all that is new in them, and other pages have none that does.
const isTold = /&after=/.test(live?.getAttribute('hx-sse:connect'));
let isOpen = false;
let hadFocus;
let overdue;

// What no stream tells has been sent by a form, of this page or of another one. Without storage that is not known.
function lastForm() {
  try {
    return localStorage.getItem('last-form');
  } catch {
    return Number.NaN;
  }
}
function tellPages() {
  try {
    localStorage.setItem('last-form', Date.now());
  } catch {
    // No kept page is shown then.
  }
}
const lastFormAtLoad = lastForm();
document.addEventListener('submit', (event) => {
  if (!event.defaultPrevented && event.target.method === 'post') tellPages();
});
// To what a stream tells, the answer is empty.
document.addEventListener('htmx:after:request', ({ detail: { ctx } }) => {
  if (ctx.request.method !== 'GET' && ctx.response.status !== 204) tellPages();
});
document.addEventListener('htmx:error', ({ target }) => {
  if (target !== live) tellPages();
});

// Answers for a page that may be kept are not `no-store`, which Chromium would take as a reason not to keep it. They are not stored
// all the same (keptPageHeaders in router/web/answers/headers.ts).
document.addEventListener('htmx:config:request', ({ detail: { ctx } }) => {
  ctx.request.cache = 'no-store';
});

// `data-kept`: the page is `left`, is `back`, has `asked` by its stream, was `answered`, and is then shown.
addEventListener('pagehide', ({ persisted }) => {
  if (!persisted) return;
  clearTimeout(overdue);
  for (const open of document.querySelectorAll(':popover-open')) open.hidePopover();
  // Who clicked on a link writes on, as on a page that is loaded.
  hadFocus = $(':focus-visible');
  state.kept = 'left';
});
// Chromium says so before `pageshow`, and hx-sse begins with it.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && state.kept === 'left') state.kept = 'back';
});
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  if (!isTold || !isOpen || lastForm() !== lastFormAtLoad) location.reload();
  else overdue = setTimeout(() => location.reload(), ANSWER_MS_MAX);
});
document.addEventListener('htmx:sse:before:connection', ({ detail }) => {
  if (state.kept !== 'back') {
    isOpen = false;
    return;
  }
  state.kept = 'asked';
  // hx-sse waits before it connects again, for the sake of a server that has failed.
  queueMicrotask(() => detail.connection.delayCanceller?.());
});
document.addEventListener('htmx:sse:after:connection', () => {
  isOpen = true;
  if (state.kept === 'asked') state.kept = 'answered';
});
document.addEventListener('htmx:sse:close', () => {
  isOpen = false;
});
document.addEventListener('htmx:sse:error', () => {
  if ('kept' in state) location.reload();
});
document.addEventListener('signed-out', () => {
  if (!('kept' in state)) return;
  state.kept = 'left';
  location.reload();
});
document.addEventListener('htmx:sse:after:message', () => {
  if (state.kept !== 'answered') return;
  clearTimeout(overdue);
  delete state.kept;
  // What is hidden loses the focus, and a new part may be in its place.
  const anew = hadFocus?.isConnected ? hadFocus : document.getElementById(hadFocus?.id);
  if (anew) anew.focus({ preventScroll: true });
  else focusComposer();
});
