// The lists of conversations: the page has them under days in UTC, and its updates bring some without. Markup:
// views/chat/sidebar/conversation-list.tsx; `placeLink` serves what views/chat/live.tsx sends.
import { $ } from './page.js';
import { written } from './times.js';

const conversations = $('#conversations');

function dayOf(date) {
  const { today, yesterday, week } = conversations.dataset;
  const daysAgo = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (daysAgo <= 0) return today;
  if (daysAgo === 1) return yesterday;
  if (daysAgo <= 7) return week;
  return written(date, 'month');
}

export function localDays() {
  if (!conversations) return;
  const headings = [...conversations.querySelectorAll('.day')];
  let last;
  for (const item of conversations.querySelectorAll('[data-at]')) {
    const day = dayOf(new Date(Number(item.dataset.at)));
    if (day === last) continue;
    last = day;
    const heading = headings.shift() ?? Object.assign(document.createElement('li'), { className: 'day' });
    if (heading.textContent !== day) heading.textContent = day;
    if (item.previousElementSibling !== heading) item.before(heading);
  }
  for (const heading of headings) heading.remove();
}

// The link of a conversation goes where its time belongs, as long as that is loaded, and is nowhere else.
export function placeLink(task) {
  const link = task.fragment.firstElementChild;
  const links = [...task.target.querySelectorAll('[data-at]')];
  const here = document.getElementById(link.id);
  const others = links.filter((one) => one !== here);
  const next = others.find(({ dataset }) => Number(dataset.at) <= Number(link.dataset.at));
  if (links.indexOf(here) === (next ? others.indexOf(next) : others.length)) {
    Object.assign(task, { target: here, swapSpec: { style: 'outerMorph' } });
    return;
  }
  here?.remove();
  if (next) Object.assign(task, { target: next, swapSpec: { style: 'beforebegin' } });
  else task.swapSpec = { style: $('.older', task.target) ? 'none' : 'beforeend' };
}

// The page's title, behind the number of unread conversations.
let plainTitle;
let countedTitle;

export function countUnread(count = document.querySelectorAll('#sidebar .unread').length) {
  // An update may have brought another title.
  if (document.title !== countedTitle) plainTitle = document.title;
  countedTitle = count > 0 ? `(${count}) ${plainTitle}` : plainTitle;
  if (document.title !== countedTitle) document.title = countedTitle;
}

// A hidden page has no stream, and is told by notify.js.
document.addEventListener('unread', ({ detail }) => countUnread(detail));

localDays();
countUnread();
$('.conversation-link [aria-current]')?.scrollIntoView({ block: 'nearest' });
