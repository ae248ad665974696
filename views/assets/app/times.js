// Times: the page has them in UTC (views/kit/time.tsx). In its language, written as the browser's region does.

function formatsOf(language) {
  const region = new Intl.Locale(navigator.language).maximize().region;
  return region ? `${language}-${region}` : language;
}
export const formats = formatsOf(document.documentElement.lang);

export function localTimes(root) {
  const now = new Date();
  const clock = { hour: 'numeric', minute: '2-digit' };
  for (const time of root.querySelectorAll('time:not([title])')) {
    const date = new Date(time.dateTime);
    const day = { day: 'numeric', month: 'short' };
    const isThisYear = date.getFullYear() === now.getFullYear();
    const isToday = date.toDateString() === now.toDateString();
    const shown = isToday ? clock : isThisYear ? { ...day, ...clock } : { ...day, year: 'numeric' };
    time.textContent = date.toLocaleString(formats, shown);
    time.title = date.toLocaleString(formats);
  }
}
localTimes(document);
