// Going back: the browser may keep a page in its memory as it was left, and show it again at once. So a page is hidden before it
// is kept. That of a conversation appears when its stream has brought what was missed, which it does only for the user that the page
// is of; while there is no answer, a sentence is in its place. Any other is loaded again. Hidden by styles/layout.css.
import { focusComposer } from './composer.js';
import { $, live } from './page.js';

/** Milliseconds after which a reader is told that there is no answer yet. */
const SILENT_MS_MAX = 5_000;

const { dataset: state } = document.documentElement;
const away = $('#away');
// The stream of older messages does not tell all that is new in them, and other pages have none that does.
const isTold = /&after=/.test(live?.getAttribute('hx-sse:connect'));
// That of hx-sse, which connects again by itself from its first answer on.
let connection;
let hadFocus;
let silent;

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
    localStorage.setItem('last-form', Math.random());
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
  clearTimeout(silent);
  for (const open of document.querySelectorAll(':popover-open')) open.hidePopover();
  // Who clicked on a link writes on, as on a page that is loaded. A page that was not shown has no focus.
  if (!('kept' in state)) hadFocus = $(':focus-visible');
  state.kept = 'left';
});
function sayAway() {
  away.hidden = false;
}
function comeBack() {
  if (document.hidden || state.kept !== 'left') return;
  state.kept = 'back';
  silent = setTimeout(sayAway, SILENT_MS_MAX);
  // When hx-sse has noticed it, too.
  setTimeout(askAnew);
}
// A stream that was not ended when the page was left, or that waits for another try.
function askAnew() {
  if (state.kept !== 'back') return;
  if (connection?.delayCanceller) {
    state.kept = 'asked';
    connection.delayCanceller();
  } else connection?.reader?.cancel();
}
// Browsers differ in which of the two comes first. hx-sse begins with a change of visibility, behind this.
document.addEventListener('visibilitychange', comeBack);
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  if (isTold && connection) comeBack();
  else location.reload();
});
document.addEventListener('htmx:sse:before:connection', ({ detail }) => {
  // Of a first connection this is said when it was answered.
  if (state.kept !== 'back' || detail.connection.attempt === 0) return;
  state.kept = 'asked';
  // hx-sse waits before it connects again, for the sake of a server that has failed.
  queueMicrotask(() => detail.connection.delayCanceller?.());
});
document.addEventListener('htmx:sse:after:connection', ({ detail }) => {
  connection = detail.connection;
  // What was asked before the page was left says nothing about now.
  if (state.kept === 'back') setTimeout(askAnew);
  if (state.kept !== 'asked') return;
  if (lastForm() === lastFormAtLoad) state.kept = 'answered';
  else location.reload();
});
document.addEventListener('htmx:sse:close', () => {
  connection = undefined;
});
document.addEventListener('htmx:sse:error', ({ detail: { status } }) => {
  if (!('kept' in state)) return;
  // No server, or one that is busy, may be there soon. hx-sse goes on asking.
  if (status >= 400 && status < 500 && status !== 429) location.reload();
  else sayAway();
});
document.addEventListener('click', ({ target }) => {
  if (!target.closest('#away button')) return;
  if (connection?.delayCanceller) connection.delayCanceller();
  else location.reload();
});
document.addEventListener('signed-out', () => {
  if (!('kept' in state)) return;
  state.kept = 'left';
  location.reload();
});
document.addEventListener('htmx:sse:after:message', () => {
  if (state.kept !== 'answered') return;
  clearTimeout(silent);
  away.hidden = true;
  delete state.kept;
  // What is hidden loses the focus, and a new part may be in its place.
  const anew = hadFocus?.isConnected ? hadFocus : document.getElementById(hadFocus?.id);
  if (anew) anew.focus({ preventScroll: true });
  else focusComposer();
});
