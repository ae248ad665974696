// Notifications of answers that end while no page is visible, and the switch for them. app/notify-when-wanted.js loads this module where they
// are switched on in this browser, or may be.
const check = document.getElementById('notify');
const said = document.getElementById('notify-said');
const isOn = () => localStorage.getItem('notify') === 'on' && Notification.permission === 'granted';

// A conversation and the time of its last change: what this page has shown as unread, or told.
const known = new Set();
const told = new Set();

function newlyUnread(root) {
  const links = [...root.querySelectorAll('.conversation-link:has(.unread)')];
  const keyOf = ({ id, dataset }) => `${id} ${dataset.at}`;
  const fresh = links.filter((link) => !known.has(keyOf(link)));
  for (const link of fresh) known.add(keyOf(link));
  return fresh;
}

// htmx closes the page's stream while the page is hidden, so that a conversation that it shows becomes unread as well.
// All hidden pages share this one stream in its place: a browser has six connections to a server.
function listen(signal) {
  if (signal.aborted) return;
  const source = new EventSource('/live');
  source.addEventListener('message', ({ data }) => {
    for (const link of newlyUnread(new DOMParser().parseFromString(data, 'text/html'))) tell(link);
  });
  // Lost connections are opened again by the browser, refused ones are not.
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 30_000, signal);
  });
  signal.addEventListener('abort', () => source.close());
}

async function tell(link) {
  const { held } = await navigator.locks.query();
  if (!isOn() || !document.hidden || held.some(({ name }) => name === 'visible')) return;
  const { title: agent, attributes } = link.querySelector('a');
  // Names only: a locked screen may show it.
  const notification = new Notification(link.querySelector('.ellipsis').textContent, {
    body: agent,
    tag: link.id,
    icon: document.querySelector('[rel="apple-touch-icon"]').href,
  });
  told.add(notification);
  notification.addEventListener('close', () => told.delete(notification));
  notification.addEventListener('click', () => {
    focus();
    location.assign(attributes.href.value);
  });
}

// Each visible page holds a lock, by which a hidden page knows of it. Another lock makes one of the hidden pages listen.
let turn = new AbortController();
function takeTurn() {
  turn.abort();
  turn = new AbortController();
  const { signal } = turn;
  if (!isOn()) return;
  const over = new Promise((resolve) => signal.addEventListener('abort', resolve));
  newlyUnread(document);
  const taken = document.hidden
    ? navigator.locks.request('listening', { signal }, () => {
        listen(signal);
        return over;
      })
    : navigator.locks.request('visible', { mode: 'shared', signal }, () => over);
  // The turn was over before its lock was free.
  taken.catch(() => {});
  if (!document.hidden) for (const notification of told) notification.close();
}

function mark() {
  if (!check) return;
  check.checked = isOn();
  said.textContent = Notification.permission === 'denied' ? said.dataset.blocked : '';
}

// Chrome on Android has the API, but lets no page use it: its constructor throws. Without a permission it shows nothing.
function isUsable() {
  try {
    return Notification.permission === 'granted' || Boolean(new Notification(''));
  } catch {
    return false;
  }
}

if (check && isUsable()) {
  document.getElementById('notifications').hidden = false;
  check.addEventListener('change', async () => {
    const isWanted = check.checked && (await Notification.requestPermission()) === 'granted';
    localStorage.setItem('notify', isWanted ? 'on' : 'off');
    mark();
    takeTurn();
  });
  // It may be given or taken in the browser's own settings.
  navigator.permissions.query({ name: 'notifications' }).then((status) => status.addEventListener('change', mark));
}
document.addEventListener('visibilitychange', takeTurn);
addEventListener('storage', ({ key }) => {
  if (key !== 'notify') return;
  mark();
  takeTurn();
});
mark();
takeTurn();
