// The page's stream (`#live`, views/chat/live.tsx), and what ends it: the session or the conversation is gone.
import { live } from './page.js';

// Signed out elsewhere: the page itself knows where to send its reader. The pause is for a page that does not, and for
// one that is on its way already, such as by its own sign-out. It may be on its way to a download, and stay.
const LEAVE_MS_MAX = 5_000;
let leftAtMs = Number.NEGATIVE_INFINITY;
addEventListener('beforeunload', () => {
  leftAtMs = performance.now();
});
function signedOut() {
  setTimeout(() => location.reload(), performance.now() - leftAtMs < LEAVE_MS_MAX ? LEAVE_MS_MAX : 1000);
}
// The stream says so before it ends (views/chat/live-connection.tsx).
document.addEventListener('signed-out', signedOut);

// hx-sse reconnects a stream that was once open; a first connection that failed is tried again here.
let retryMs = 1000;
function retryLive() {
  setTimeout(() => htmx.trigger(live, 'retry'), retryMs);
  retryMs = Math.min(retryMs * 2, 15_000);
}
document.addEventListener('htmx:error', ({ target }) => {
  if (target === live) retryLive();
});
// A hidden page has no stream, and hx-sse ends that which it reads. It is told once more when it reads what was asked for before.
document.addEventListener('htmx:sse:after:connection', ({ detail: { connection } }) => {
  setTimeout(() => document.hidden && connection.visibilityHandler?.());
});
document.addEventListener('htmx:after:request', ({ detail }) => {
  if (detail.ctx.response.status === 401) signedOut();
});
document.addEventListener('htmx:response:error', ({ target, detail }) => {
  // The conversation is gone: the page itself says so.
  if (
    detail.ctx.response.status === 404 &&
    target.matches?.('#live, #composer-form, .go-on, #options *, #undo *, [aria-haspopup="menu"]')
  )
    location.reload();
  else if (target === live) retryLive();
});
document.addEventListener('htmx:sse:error', ({ detail }) => {
  if (detail.status === 401) signedOut();
  if (detail.status === 404) location.reload();
});
