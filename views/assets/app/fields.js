// Fields: the button that shows a password (views/kit/password.tsx), and the time zone of a new schedule
// (views/schedules/form.tsx), which is that of this browser.
function reveal(button) {
  const isShown = button.getAttribute('aria-pressed') !== 'true';
  button.setAttribute('aria-pressed', String(isShown));
  document.getElementById(button.dataset.reveals).type = isShown ? 'text' : 'password';
}

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-reveals]');
  if (button) reveal(button);
});

for (const field of document.querySelectorAll('#zone-new:not([value])')) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}
