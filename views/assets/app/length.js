// The length of a long text: said when it comes near to its limit, and beyond it the browser does not send the form. Markup:
// views/kit/length-note.tsx.
import { formats } from './times.js';

// The share of the limit from which on the length is said.
const NEAR = 0.9;

function checkLength(note) {
  const area = document.getElementById(note.id.replace(/-length$/, ''));
  const max = Number(note.dataset.max);
  const over = area.value.length - max;
  note.hidden = area.value.length < max * NEAR;
  note.toggleAttribute('data-is-over', over > 0);
  if (!note.hidden) {
    const words = over > 0 ? note.dataset.over : note.dataset.near;
    const count = over > 0 ? over : area.value.length;
    note.textContent = words
      .replace('{count}', count.toLocaleString(formats))
      .replace('{max}', max.toLocaleString(formats));
  }
  area.setCustomValidity(over > 0 ? note.textContent : '');
}

export function checkLengths() {
  for (const note of document.querySelectorAll('.length-note')) checkLength(note);
}

document.addEventListener('input', ({ target }) => {
  const note = target.id && document.getElementById(`${target.id}-length`);
  if (note) checkLength(note);
});
