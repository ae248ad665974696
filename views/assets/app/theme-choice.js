// The buttons that choose the theme: views/settings/theme-choice.tsx. theme.js applied the stored one before the first paint.
function markTheme() {
  const chosen = document.documentElement.dataset.theme ?? 'system';
  for (const button of document.querySelectorAll('[data-theme-choice]')) {
    button.setAttribute('aria-pressed', String(button.dataset.themeChoice === chosen));
  }
}

function chooseTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('theme', theme);
  } catch {
    // Blocked storage: the choice lasts as long as the page.
  }
  markTheme();
}

// Chosen on another page.
function followTheme() {
  try {
    const theme = localStorage.getItem('theme') ?? 'system';
    if (theme !== (document.documentElement.dataset.theme ?? 'system')) chooseTheme(theme);
  } catch {
    // The page keeps what it has.
  }
}
addEventListener('storage', ({ key }) => {
  if (key === 'theme') followTheme();
});
// A page that the browser kept has not heard of it.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) followTheme();
});

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-theme-choice]');
  if (button) chooseTheme(button.dataset.themeChoice);
});
markTheme();
