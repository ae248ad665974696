// Times: the page has them in UTC (views/kit/time.tsx), and says how its reader writes them (views/layout.tsx).
export const { formats } = document.documentElement.dataset;

// A browser takes some milliseconds to make each, before the page is painted.
const formatters = {};
const short = { timeStyle: 'short' };
// Beside a day `timeStyle` cannot stand: where the day has 24 hours, each has two digits.
const { hourCycle } = new Intl.DateTimeFormat(formats, short).resolvedOptions();
const clock = { hour: hourCycle === 'h23' ? '2-digit' : 'numeric', minute: '2-digit' };
const forms = {
  today: short,
  year: { day: 'numeric', month: 'short', ...clock },
  earlier: { day: 'numeric', month: 'short', year: 'numeric' },
  month: { month: 'long', year: 'numeric' },
  whole: { day: 'numeric', month: 'numeric', year: 'numeric', ...clock, second: '2-digit' },
};
export function written(date, form) {
  formatters[form] ??= new Intl.DateTimeFormat(formats, forms[form]);
  return formatters[form].format(date);
}

export function localTimes(root) {
  const now = new Date();
  for (const time of root.querySelectorAll('time:not([data-local])')) {
    const date = new Date(time.dateTime);
    const isThisYear = date.getFullYear() === now.getFullYear();
    const isToday = date.toDateString() === now.toDateString();
    time.textContent = written(date, isToday ? 'today' : isThisYear ? 'year' : 'earlier');
    time.dataset.local = '';
  }
}
document.addEventListener('mouseover', ({ target }) => {
  if (target.matches('time')) target.title ||= written(new Date(target.dateTime), 'whole');
});
localTimes(document);
