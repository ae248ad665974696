// htmx runs behind the first frame: it takes longer to start than the page to be painted. Until then links and forms are those of
// a page without scripts. A page that is opened in the background waits until somebody looks at it: a browser has six connections
// to a site, which the streams of such pages would use up. Markup: `#htmx` of views/layout.tsx.
import { $ } from './page.js';

const htmxFile = $('#htmx');

function startHtmx() {
  document.head.append(Object.assign(document.createElement('script'), { src: htmxFile.href }));
}
if (htmxFile && document.hidden) document.addEventListener('visibilitychange', startHtmx, { once: true });
else if (htmxFile) requestAnimationFrame(() => setTimeout(startHtmx));
