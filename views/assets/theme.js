// Runs before the first paint, so a chosen theme never flashes. app.js has the buttons that choose.
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be blocked; the system then decides.
}
