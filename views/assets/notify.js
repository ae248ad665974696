// Answers that end while nobody looks, told by hidden pages: the title of each has the number of unread conversations, and one of them
// shows notifications where they are switched on in this browser. app/notify-when-wanted.js loads this module.
const check = document.getElementById('notify');
const said = document.getElementById('notify-said');
const isOn = () => localStorage.getItem('notify') === 'on' && globalThis.Notification?.permission === 'granted';

// The stream of one user names the lock and the channel of that user's pages: those of others may be open in this browser.
const url = `/live?user=${document.querySelector('.app').dataset.user}`;
const channel = new BroadcastChannel(url);
const told = new Set();

// The unread conversations, and the time of each one's last change.
let unread = shownUnread();

function shownUnread() {
  const links = document.querySelectorAll('#sidebar .conversation-link:has(.unread)');
  return new Map([...links].map(({ id, dataset }) => [id, dataset.at]));
}

// app/conversations.js writes the title.
function setUnread(now) {
  unread = now;
  if (document.hidden) document.dispatchEvent(new CustomEvent('unread', { detail: unread.size }));
}
channel.addEventListener('message', ({ data }) => setUnread(data));

// The whole list, or what has changed in it: views/chat/sidebar/live.tsx.
function heed({ data }) {
  const parts = new DOMParser().parseFromString(data, 'text/html');
  const now = new Map(parts.querySelector('[hx-target="#conversations"][hx-swap="innerMorph"]') ? [] : unread);
  for (const gone of parts.querySelectorAll('[hx-swap="delete"]')) now.delete(gone.getAttribute('hx-target').slice(1));
  for (const link of parts.querySelectorAll(':not([hx-target="#archived"]) > .conversation-link')) {
    const { id, dataset } = link;
    now.delete(id);
    if (!link.querySelector('.unread')) continue;
    now.set(id, dataset.at);
    if (unread.get(id) !== dataset.at) tell(link);
  }
  setUnread(now);
  channel.postMessage(now);
}

// htmx closes the page's stream while the page is hidden, so that a conversation that it shows becomes unread as well.
// All hidden pages share this one stream in its place: a browser has six connections to a server.
function listen(signal) {
  if (signal.aborted) return;
  const source = new EventSource(url);
  source.addEventListener('message', heed);
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
  const over = new Promise((resolve) => signal.addEventListener('abort', resolve));
  const taken = document.hidden
    ? navigator.locks.request(url, { signal }, () => {
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
  said.textContent = globalThis.Notification?.permission === 'denied' ? said.dataset.blocked : '';
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
  });
  // It may be given or taken in the browser's own settings.
  navigator.permissions.query({ name: 'notifications' }).then((status) => status.addEventListener('change', mark));
}
addEventListener('storage', ({ key }) => {
  if (key === 'notify') mark();
});
document.addEventListener('visibilitychange', () => {
  // Its own stream has kept the page up to date until now.
  if (document.hidden) unread = shownUnread();
  takeTurn();
});
// A page that the browser freezes hears nothing: another one listens.
document.addEventListener('freeze', () => turn.abort());
document.addEventListener('resume', takeTurn);
mark();
takeTurn();
