// htmx runs behind the first frame: it takes longer to start than the page to be painted. Until then links and forms are those of
// a page without scripts. A hidden page has no frames. Markup: `#htmx` of views/layout.tsx.
import { $ } from './page.js';

const htmxFile = $('#htmx');

function startHtmx() {
  document.head.append(Object.assign(document.createElement('script'), { src: htmxFile.href }));
}
if (htmxFile && document.hidden) startHtmx();
else if (htmxFile) requestAnimationFrame(() => setTimeout(startHtmx));
