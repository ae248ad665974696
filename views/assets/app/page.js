// The script adds to pages what they can do without: every page works with JavaScript off. Its parts are joined in the order of
// views/assets.ts. It uses no library but htmx, and has no words: those are in the page.
export const $ = (selector, root = document) => root.querySelector(selector);

// The element of the page's stream: views/chat/live.tsx.
export const live = $('#live');
