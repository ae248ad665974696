// Runs before the first paint, so a chosen theme never flashes. app/theme-choice.js has the buttons that choose.
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be blocked; the system then decides.
}

// The browser skips the transition between two pages when the new one was slow or was painted first. Nothing is lost by it,
// so it is not an error of the page.
addEventListener('unhandledrejection', (event) => {
  if (event.reason instanceof DOMException && event.reason.message.startsWith('Transition was '))
    event.preventDefault();
});

// What app/page.js puts in its place is shown when that has run, or has failed, or does not come: on a page that is entered, and on
// every page where the browser, such as Firefox, paints without waiting for the script (`blocking` of views/layout.tsx). Hidden from
// here and not by the page: where scripts are blocked, by whatever, nothing is hidden.
const UNPLACED_MS_MAX = 3_000;
if ('entered' in document.documentElement.dataset || !document.currentScript.blocking?.supports('render')) {
  const { dataset } = document.documentElement;
  const show = () => delete dataset.unplaced;
  dataset.unplaced = '';
  // After all deferred scripts.
  document.addEventListener('DOMContentLoaded', show);
  setTimeout(show, UNPLACED_MS_MAX);
}
