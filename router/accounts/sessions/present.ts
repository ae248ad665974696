/** Presents browser sessions for pages and the API. */
import bowser from 'bowser';
import type { SessionView } from '../../../views/accounts/models';
import { unixSeconds } from '../../lib/time';
import type { Session } from './store';

/** The browser and the system that a `User-Agent` names, such as "Firefox, Linux"; of others its first word. */
function browserOf(userAgent: string): string {
  if (userAgent === '') return '';
  const { browser, os } = bowser.parse(userAgent);
  const program = userAgent.split(/[\s/]/, 1)[0] ?? '';
  return [browser.name || program, os.name].filter(Boolean).join(', ');
}

export function sessionView(session: Session, currentId: string | undefined): SessionView {
  const { id, address, browser, createdAtMs, seenAtMs } = session;
  return {
    id,
    address,
    browser: browserOf(browser),
    createdAtMs,
    seenAtMs: seenAtMs || createdAtMs,
    isCurrent: id === currentId,
  };
}

/** Times are seconds since the epoch. */
export function sessionJson(session: Session, currentId: string | undefined) {
  const { id, address, browser, createdAtMs, seenAtMs, isCurrent } = sessionView(session, currentId);
  return {
    id,
    browser,
    address,
    created_at: unixSeconds(createdAtMs),
    last_used_at: unixSeconds(seenAtMs),
    expires_at: unixSeconds(session.expiresAtMs),
    current: isCurrent,
  };
}
