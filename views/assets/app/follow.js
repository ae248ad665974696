// Scrolling: a conversation follows the answer until its reader scrolls up, and again from the end on or after sending. What
// the page itself does never takes it up: a smaller place is at the end as well. Markup: `#messages` and `#jump` of
// views/chat/page.tsx and composer.tsx.
import { $ } from './page.js';
import { keepPlace, leaveToBrowser, leftPlace } from './place.js';

/** Milliseconds after the load in which the sizes around a message that the address names become known. */
const SETTLE_MS = 2_000;

// Until the reader acts, one message stays where it is while the sizes around it become known: the one that was read when the
// page was left, that the address names, or that is being edited.
const left = leftPlace();
let linked = document.getElementById(left ? left.id : location.hash.slice(1)) ?? $('.message.editing');
// What browsers leave out of the layout has no place: in Firefox it would be beyond the end of its group.
linked?.closest('.past')?.style.setProperty('content-visibility', 'visible');
// A page of older messages has none, and nothing to follow.
const jumpButton = $('#jump');
let following = false;
// Something is being unfolded, which opens below the line that was clicked.
let unfolding = false;
let lastY = 0;
let lastHeight = 0;
export const fromEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY;

function setFollowing(isAtEnd) {
  following = isAtEnd && jumpButton !== null;
  if (jumpButton) jumpButton.hidden = following;
}

export function jump() {
  linked = null;
  setFollowing(true);
  scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
}

// What is read stays where it is when earlier messages come in above it. Those next to it get their sizes only when the browser
// has them in view, before it paints them.
let heldFromEnd;

export function hold(distance) {
  heldFromEnd = distance;
  follow();
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      heldFromEnd = undefined;
    }),
  );
}

function follow() {
  // An answer that grows may be there anew.
  if (linked) linked = document.getElementById(linked.id);
  if (heldFromEnd !== undefined) scrollTo(0, document.documentElement.scrollHeight - innerHeight - heldFromEnd);
  else if (linked) {
    if (left && linked.id === left.id)
      scrollBy({ top: linked.getBoundingClientRect().top - left.top, behavior: 'instant' });
    else linked.scrollIntoView({ behavior: 'instant' });
    setFollowing(fromEnd() < 2);
  } else if (following && !unfolding) jump();
}

const unlink = () => {
  linked = null;
  leaveToBrowser();
};

/** A growing answer is followed all the same. */
function unfold({ type, target }) {
  if ((type === 'click' && !target.closest('summary')) || $('#messages [aria-busy]')) return;
  unfolding = true;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      unfolding = false;
      setFollowing(fromEnd() < 2);
    }),
  );
}

if ($('#messages')) {
  for (const act of ['click', 'beforematch']) $('#messages').addEventListener(act, unfold);
  addEventListener('scroll', () => {
    if (fromEnd() < 2 && !linked) setFollowing(true);
    // A page that became shorter has moved its reader by itself.
    else setFollowing(following && (scrollY >= lastY || document.documentElement.scrollHeight < lastHeight));
    lastY = scrollY;
    lastHeight = document.documentElement.scrollHeight;
  });
  new ResizeObserver(follow).observe($('main'));
  addEventListener('resize', follow);
  for (const act of ['wheel', 'touchstart', 'pointerdown', 'keydown']) addEventListener(act, unlink, { passive: true });
  addEventListener('load', () => setTimeout(unlink, SETTLE_MS));
  if (!linked && jumpButton) jump();
  keepPlace(() => following);
}
