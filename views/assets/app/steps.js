// The line of many steps folds what is unfolded behind it as well, which would stay: styles/steps.css hides nothing that is read.
document.addEventListener(
  'toggle',
  ({ target }) => {
    const line = target.closest?.('.steps-fold');
    if (!line || target.open) return;
    for (const step of line.parentElement.querySelectorAll('.step:not(.growing) > [open]')) step.open = false;
  },
  true,
);
