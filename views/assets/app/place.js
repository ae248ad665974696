// The place at which a conversation is left, for a reload and for a way back to it. Browsers differ in what they do by themselves
// with the place of a page that scrolls as it loads: Firefox keeps the end, Chromium a place above it where the answer has grown.
import { $, keep, recall } from './page.js';

const key = `place:${location.pathname}${location.search}`;

/** The message that was at the top of the window, by its id, and how far from it. At the end that is none. */
export function leftPlace() {
  // Firefox that resists fingerprinting has no entries.
  const type = performance.getEntriesByType('navigation')[0]?.type;
  if (type !== 'reload' && type !== 'back_forward') return null;
  return JSON.parse(recall(key));
}

function messageAtTop() {
  const { bottom } = $('.title-bar').getBoundingClientRect();
  const reaches = (one) => one.getBoundingClientRect().bottom > bottom;
  const first = [...document.querySelectorAll('#messages > :is(.past, .message)')].find(reaches);
  // In two steps: a browser that is asked for the place of a message in a group has to lay the group out.
  return first?.matches('.past') ? [...first.children].find(reaches) : first;
}

/** Within a page, such as back from a note of an answer, the browser finds the place. */
export function leaveToBrowser() {
  history.scrollRestoration = 'auto';
}

export function keepPlace(isAtEnd) {
  history.scrollRestoration = 'manual';
  let y = 0;
  addEventListener('pagehide', () => {
    history.scrollRestoration = 'manual';
    y = scrollY;
    const message = isAtEnd() ? null : messageAtTop();
    keep(key, JSON.stringify({ id: message?.id, top: message?.getBoundingClientRect().top }));
  });
  // WebKit shows the beginning of a page that it has kept, where it is not to restore the place.
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    scrollTo({ top: y, behavior: 'instant' });
    leaveToBrowser();
  });
}
