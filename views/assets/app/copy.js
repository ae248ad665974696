// Copying: an answer's Markdown (`data-copy-from`), the one line beside a button (`data-copy`, views/kit/copy-line.tsx), or a
// block of code (`.copy-code`, views/markdown.ts).
import { $ } from './page.js';

async function copy(button) {
  const from = button.dataset.copyFrom;
  const text = from ? fetchText(from) : Promise.resolve($('code', button.parentElement).textContent);
  // Only secure origins have both, and Firefox from 127 on. Many installations are plain http in a local network.
  if (!navigator.clipboard || !globalThis.ClipboardItem) copyByEvent(await text);
  // Safari writes only what it was promised during the click.
  else
    await navigator.clipboard.write([
      new ClipboardItem({ 'text/plain': text.then((words) => new Blob([words], { type: 'text/plain' })) }),
    ]);
  const label = button.getAttribute('aria-label');
  button.dataset.copied = '';
  button.setAttribute('aria-label', document.body.dataset.copied);
  setTimeout(() => {
    delete button.dataset.copied;
    button.setAttribute('aria-label', label);
  }, 1500);
}

async function fetchText(url) {
  // As htmx does: see app/kept.js.
  const headers = { 'HX-Request': 'true', 'HX-Current-URL': location.href };
  const response = await fetch(url, { headers, cache: 'no-store' });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

function copyByEvent(text) {
  const area = Object.assign(document.createElement('textarea'), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-copy], [data-copy-from], .copy-code');
  if (button) copy(button);
});
