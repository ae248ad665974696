// Times: the page has them in UTC (views/kit/time.tsx). In its language, written as the browser's region does.

function formatsOf(language) {
  const region = new Intl.Locale(navigator.language).maximize().region;
  return region ? `${language}-${region}` : language;
}
export const formats = formatsOf(document.documentElement.lang);

export function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll('time:not([title])')) {
    const date = new Date(time.dateTime);
    const day = date.toDateString() === today ? {} : { day: 'numeric', month: 'short' };
    time.textContent = date.toLocaleString(formats, {
      ...day,
      hour: 'numeric',
      minute: '2-digit',
    });
    time.title = date.toLocaleString(formats);
  }
}
localTimes(document);
