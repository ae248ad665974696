// The script adds to pages what they can do without: every page works with JavaScript off. Its parts are joined in the order of
// views/assets.ts. It uses no library but htmx, and has no words: those are in the page.
export const $ = (selector, root = document) => root.querySelector(selector);

// What is hidden until it is in its place (theme.js). The rest of the script puts it there before the next frame.
const { dataset } = document.documentElement;
if ('entered' in dataset || 'unplaced' in dataset) {
  delete dataset.unplaced;
  // The browser focuses nothing that is hidden, neither what the address names nor the field that the page is for.
  if (document.activeElement === document.body)
    $(location.hash ? ':target' : 'main [autofocus]:not([popover] *)')?.focus();
}

// What a tab keeps for the next load of a page. Where storage is blocked or full, that is nothing.
export function recall(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}
export function keep(key, text) {
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // It lasts as long as the page.
  }
}
export function forget(key) {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

// The element of the page's stream: views/chat/live.tsx.
export const live = $('#live');

// Whether a key is one of an input method, by which Chinese is typed. Safari ends the composition before it tells of the key that
// ends it, which has this code.
export const composes = ({ isComposing, keyCode }) => isComposing || keyCode === 229;
