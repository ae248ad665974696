// Times: the page has them in UTC (views/kit/time.tsx). In its language, written as the browser's region does.

function formatsOf(language) {
  const region = new Intl.Locale(navigator.language).maximize().region;
  return region ? `${language}-${region}` : language;
}
export const formats = formatsOf(document.documentElement.lang);

// A browser takes a millisecond or more to make each.
const formatters = {};
const clock = { hour: 'numeric', minute: '2-digit' };
const forms = {
  today: clock,
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
  for (const time of root.querySelectorAll('time:not([title])')) {
    const date = new Date(time.dateTime);
    const isThisYear = date.getFullYear() === now.getFullYear();
    const isToday = date.toDateString() === now.toDateString();
    time.textContent = written(date, isToday ? 'today' : isThisYear ? 'year' : 'earlier');
    time.title = written(date, 'whole');
  }
}
localTimes(document);
