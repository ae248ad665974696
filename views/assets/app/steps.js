// Steps behind the line of many: styles/steps.css hides what is not read. Folding the line folds what is unfolded behind it as well,
// which would stay. The browser's search in the page finds them in an answer that is there, and then they are unfolded.
import { $ } from './page.js';

const isFindable = 'onbeforematch' in document.body;

export function hideFindably() {
  if (!isFindable) return;
  const steps = '.steps:has(> .steps-fold > :not([open])) > .step:not([hidden], :focus-within, :has(> [open]))';
  for (const step of document.querySelectorAll(`.message:not([aria-busy]) > ${steps}`)) step.hidden = 'until-found';
}
function show(steps) {
  for (const step of steps.querySelectorAll('[hidden="until-found"]')) step.hidden = false;
}
hideFindably();

document.addEventListener(
  'toggle',
  ({ target }) => {
    const line = target.closest?.('.steps-fold');
    if (!line) return;
    if (target.open) return show(line.parentElement);
    for (const step of line.parentElement.querySelectorAll('.step:not(.growing) > [open]')) step.open = false;
    hideFindably();
  },
  true,
);
document.addEventListener('beforematch', ({ target }) => {
  const steps = target.closest('.steps:has(> .steps-fold)');
  if (!steps) return;
  $('.steps-fold > details', steps).open = true;
  show(steps);
});
