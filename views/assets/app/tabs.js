// A row of links that is longer than the window begins where one is, also in browsers that do not know `scroll-initial-target`, such as
// Firefox and Safari. By the row itself: `scrollIntoView` would move the page, too. Markup and the room at its ends: styles/tabs.css.
const ROOM_PX = 64;

if (!CSS.supports('scroll-initial-target', 'nearest'))
  for (const here of document.querySelectorAll(':is(.tabs, .settings-nav) > [aria-current]')) {
    const row = here.parentElement;
    row.scrollLeft += here.getBoundingClientRect().right + ROOM_PX - row.getBoundingClientRect().right;
  }
