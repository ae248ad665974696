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

// A page without its script is shown all the same. Otherwise app/page.js has done so before.
addEventListener('load', () => delete document.documentElement.dataset.unplaced);
