/** What a key opens, by its scopes. */
import { AppError } from '../../lib/errors';
import type { Key, KeyScope } from './store';

/**
 * The paths that keys open outside of `/v1`, by scope: what belongs to their owner, as JSON. Explicit lists, so that a path
 * that is added later, such as a password, is not opened by existing keys. The files of a home may hold keys of its runner; and
 * a schedule asks on its owner's account, which would get round the limits and the budget of the key.
 */
const OPENED: Readonly<Record<Exclude<KeyScope, 'v1'>, RegExp>> = {
  manage: /^\/api\/(runners|me\/(budgets|env-overrides|keys|usage))(\/|$)/,
  agents:
    /^\/api\/(backends$|attachments\/[^/]+$|conversations(\/|$)|agents(\/[^/]+(\/(start|reset|settings|instructions|idle|env\/[^/]+|runner(\/log)?))?)?$)/,
};
/** What a scope opens, for people. */
const OPENED_WORDS: Readonly<Record<KeyScope, string>> = {
  v1: '/v1',
  agents: '/api/agents and /api/conversations',
  manage: '/api/me and /api/runners',
};

/** Throws unless the key opens the address: keys open no pages, and nothing that concerns other users. */
export function requireOpened(key: Key, { pathname }: URL): void {
  const scope = OPENED.manage.test(pathname) ? 'manage' : OPENED.agents.test(pathname) ? 'agents' : undefined;
  if (!scope) throw new AppError('signed_out', { message: 'An API key gives no access to this. Sign in first.' });
  requireScope(key, scope);
}

/** Throws `forbidden` for a key without the scope. */
export function requireScope(key: Key, scope: KeyScope): void {
  if (key.scopes.includes(scope)) return;
  throw new AppError('forbidden', {
    message: `The key "${key.name}" lacks the scope "${scope}", which opens ${OPENED_WORDS[scope]}. Use another key.`,
  });
}
