// Files for a message: chosen, pasted or dropped, they are in the composer's own input, and listed above it as its template
// has it. Markup: views/chat/composer.tsx, views/chat/message/attachments.tsx.
import { $ } from './page.js';

export let chosen = [];

export function clearChosen() {
  chosen = [];
  showChosen();
}

export function showChosen() {
  const input = $('#composer-files');
  if (!input) return;
  const files = new DataTransfer();
  for (const file of chosen) files.items.add(file);
  input.files = files.files;
  $('#composer-text').required = chosen.length === 0;
  const list = $('#composer-chosen');
  list.hidden = chosen.length === 0;
  list.replaceChildren(...chosen.map(chipOf));
}

function chipOf(file) {
  const chip = $('#composer-chip').content.cloneNode(true);
  $('.ellipsis', chip).textContent = file.name;
  const button = $('button', chip);
  button.setAttribute('aria-label', button.getAttribute('aria-label').replace('{name}', file.name));
  button.addEventListener('click', () => {
    const index = chosen.indexOf(file);
    chosen = chosen.filter((one) => one !== file);
    showChosen();
    const buttons = document.querySelectorAll('#composer-chosen button');
    (buttons[Math.min(index, buttons.length - 1)] ?? $('#composer-text')).focus();
  });
  if (/^image\/(png|jpeg|gif|webp)$/.test(file.type)) {
    const image = $('img', chip);
    const reader = new FileReader();
    reader.addEventListener('load', () => Object.assign(image, { src: reader.result, hidden: false }));
    $('.icon', chip).remove();
    reader.readAsDataURL(file);
  }
  return chip;
}

export function choose(files) {
  const { bytesMax, countMax, tooLarge, tooMany } = $('#composer-files').dataset;
  const large = files.find(({ size }) => size > Number(bytesMax));
  const fitting = files.filter(({ size }) => size <= Number(bytesMax));
  const isTooMany = chosen.length + fitting.length > Number(countMax);
  const error = isTooMany ? tooMany : large ? tooLarge.replace('{name}', large.name) : '';
  chosen = [...chosen, ...fitting].slice(0, Number(countMax));
  $('#composer-error').textContent = error;
  showChosen();
}

document.addEventListener('change', ({ target }) => {
  if (target.id === 'composer-files') choose([...target.files]);
});
document.addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files];
  // Office programs add a picture of the text that is pasted.
  if (event.target.id !== 'composer-text' || files.length === 0 || event.clipboardData.types.includes('text/plain'))
    return;
  if (!$('#composer-files')) return;
  event.preventDefault();
  choose(files);
});
