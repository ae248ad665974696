// The answer that is being written grows by changes of its last elements: views/growth.ts says what they are.
import { $, live } from './page.js';
import { keepSelection } from './selection.js';

function growAnswer(prose, changes) {
  for (const [depth, nodes, units, html] of changes) {
    let place = prose;
    for (let level = 0; level < depth; level++) place = place.lastElementChild;
    // Adjoining texts are one.
    if (nodes + units > 0) place.normalize();
    for (let count = 0; count < nodes; count++) place.lastChild.remove();
    if (units > 0) place.lastChild.deleteData(place.lastChild.length - units, units);
    place.insertAdjacentHTML('beforeend', html);
  }
}
function growsIn(selector) {
  return ({ detail }) => {
    const prose = $(`#messages [aria-busy] > ${selector}`);
    if (!prose) return;
    const restore = keepSelection();
    growAnswer(prose, JSON.parse(detail.data));
    restore();
  };
}
live?.addEventListener('grow', growsIn('.prose'));
live?.addEventListener('think', growsIn('.steps > .growing > details > .prose'));
