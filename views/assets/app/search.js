// Search: `/` and Ctrl+K open it over the page, arrows lead from what is typed through what is found. Markup:
// views/chat/sidebar/search.tsx.
import { $, composes } from './page.js';

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
  if (event.key === 'Escape' && search?.open && !composes(event)) {
    event.preventDefault();
    search.close();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || composes(event) || !event.target.closest('.search')) return;
  event.preventDefault();
  const stops = [$('#search-query'), ...document.querySelectorAll('#search-results a')];
  stops[Math.max(0, Math.min(stops.length - 1, stops.indexOf(event.target) + step))].focus();
});
