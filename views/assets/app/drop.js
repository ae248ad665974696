// Files that are dropped anywhere on a page go with its form (`data-drop`, views/files/page.tsx), or to the composer.
import { choose } from './attachments.js';
import { $ } from './page.js';

const drop = $('[data-drop], .composer-box:has(input[type="file"])');

if (drop) {
  const isComposer = !drop.hasAttribute('data-drop');
  const mark = (isOver) => (isComposer ? $('.composer-box') : drop)?.toggleAttribute('data-over', isOver);
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) mark(false);
  });
  addEventListener('drop', (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    mark(false);
    if (isComposer) {
      if ($('#composer-files')) choose([...event.dataTransfer.files]);
      return;
    }
    $('input[type="file"]', drop).files = event.dataTransfer.files;
    drop.requestSubmit();
  });
}
