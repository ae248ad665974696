/** Imports users, agents, idle times and credentials of the first agent-stack. */
import { normaliseEmail } from '../../router/accounts/fields';
import type { Entry } from '../../router/backends/schema';
import { valueProblem } from '../../router/credentials/values';
import type { Db } from '../../router/database/database';
import { users } from '../../router/database/schema/accounts';
import { agents, idlePreferences } from '../../router/database/schema/agents';
import { credentials, sharedVariables } from '../../router/database/schema/credentials';
import { ownerOf } from '../../router/database/sealing';
import { newId } from '../../router/lib/ids';
import { withoutControls } from '../../router/lib/text';
import type { Vault } from '../../router/lib/vault';
import { ImportError, type Report } from './report';
import type { OldAgent, OldUser, Source } from './source';

const NAME_LENGTH_MAX = 80;
const MODEL_LENGTH_MAX = 200;

/** What the imports below share. `userIds`: the users whose data is imported now. */
export interface Importing {
  readonly db: Db;
  readonly source: Source;
  readonly report: Report;
  readonly userIds: ReadonlySet<string>;
}

/**
 * Imports the users, and returns the ids of those who were not in the target. A user who is there already is left as is,
 * with everything that belongs to the user, so that a second import changes nothing. Throws an `ImportError` when the
 * target has other users: an import must not mix two installations.
 */
export function importUsers({ db, source, report }: Omit<Importing, 'userIds'>): ReadonlySet<string> {
  const byAge = source.users();
  const admin = byAge.find(({ role }) => role === 'admin');
  // The administrator first: of two accounts with one address, that one stays.
  const found = admin ? [admin, ...byAge.filter((user) => user !== admin)] : byAge;
  const there = new Map(
    db
      .select({ id: users.id, email: users.email })
      .from(users)
      .all()
      .map(({ id, email }) => [id, email]),
  );
  refuseStrangers(there, found);
  const emails = new Map<string, OldUser>();
  const imported = new Set<string>();
  for (const user of found) {
    const email = normaliseEmail(user.email);
    const kept = emails.get(email);
    if (email === '' || kept !== undefined) {
      const which = kept === admin ? "is the administrator's" : 'is older';
      const why = kept === undefined ? 'the address is not valid' : `the same address as ${kept.email}, which ${which}`;
      report.note('Users left out, with all of their data', `${user.email}: ${why}`);
      continue;
    }
    emails.set(email, user);
    if (there.has(user.id)) continue;
    imported.add(user.id);
    const role = user === admin ? 'admin' : 'user';
    if (role !== user.role) report.note('Administrators who become regular users, because there is only one', email);
    insertUser(db, user, { email, role });
    report.count('users');
  }
  return imported;
}

function refuseStrangers(there: ReadonlyMap<string, string>, found: readonly OldUser[]): void {
  const known = new Set(found.map(({ id }) => id));
  const strangers = [...there].filter(([id]) => !known.has(id)).map(([, email]) => email);
  if (strangers.length === 0) return;
  const some = strangers.slice(0, 3).join(', ') + (strangers.length > 3 ? ', …' : '');
  throw new ImportError(
    `STACK_DATA_ROOT already has accounts that are not from the old data root: ${some}.\n` +
      'Set STACK_DATA_ROOT to a new folder, run the import, and start the router with that folder.',
  );
}

function insertUser(db: Db, user: OldUser, { email, role }: { email: string; role: 'admin' | 'user' }): void {
  db.insert(users)
    .values({
      ...{ id: user.id, email, role, slug: user.slug, passwordHash: user.pw_hash },
      ...{ name: nameOf(user), createdAtMs: user.created_at * 1000 },
    })
    .run();
}

/** Without control characters, which are refused here: names are in the environment of runners. */
function nameOf({ name }: OldUser | OldAgent): string {
  return withoutControls(name ?? '')
    .trim()
    .slice(0, NAME_LENGTH_MAX);
}

/**
 * Imports the agents of the users, and makes those that conversations from before there were agents need. Returns all of
 * them, in the order of their ordinals.
 */
export function importAgents({ db, source, report, userIds }: Importing): readonly OldAgent[] {
  const all = [...source.agents(), ...missingAgents(source)].filter(({ user_id }) => userIds.has(user_id));
  for (const agent of all) {
    db.insert(agents)
      .values({
        ...{ id: agent.id, userId: agent.user_id, backend: agent.backend, ordinal: agent.ordinal },
        ...{ name: nameOf(agent) || agent.backend, model: agent.model.slice(0, MODEL_LENGTH_MAX) },
        ...{ createdAtMs: agent.created_at * 1000, updatedAtMs: agent.updated_at * 1000 },
      })
      .run();
    report.count('agents');
  }
  return all.sort((one, other) => one.ordinal - other.ordinal);
}

function missingAgents(source: Source): OldAgent[] {
  const there = new Set(source.agents().map(({ user_id, backend }) => `${user_id}/${backend}`));
  const missing: OldAgent[] = [];
  for (const { user_id, backend, created_at } of source.conversations()) {
    if (there.has(`${user_id}/${backend}`)) continue;
    there.add(`${user_id}/${backend}`);
    const times = { created_at, updated_at: created_at };
    missing.push({ id: newId(), user_id, backend, name: backend, model: '', ordinal: 1, ...times });
  }
  return missing;
}

/** Imports idle times; zero and less meant "never" and becomes 0. */
export function importIdleTimes({ db, source, report, userIds }: Importing): void {
  for (const { user_id: userId, backend, idle_seconds } of source.idleTimes()) {
    if (!userIds.has(userId)) continue;
    db.insert(idlePreferences)
      .values({ userId, backend, idleSeconds: Math.max(0, idle_seconds) })
      .run();
    report.count('idle times');
  }
}

/**
 * Imports the values that users have set, sealed, and which of the administrator's are shared.
 * @param entries of `backends.json`: a value for a backend that is not among them is left out.
 */
export function importCredentials(importing: Importing, vault: Vault, entries: readonly Entry[]): void {
  const { db, source, report, userIds } = importing;
  const backends = new Set(['', ...entries.map(({ name }) => name)]);
  const emails = new Map(source.users().map(({ id, email }) => [id, email]));
  for (const { user_id: userId, backend_name: backend, env_var: name, value, updated_at } of source.values()) {
    if (!userIds.has(userId) || value === '') continue;
    const place = `${name} of ${emails.get(userId)}${backend && ` for ${backend}`}`;
    const problem = backends.has(backend) ? valueProblem(name, value) : 'backends.json has no such backend';
    if (problem) {
      report.note('Credentials left out', `${place}: ${problem}`);
      continue;
    }
    const sealed = vault.seal(value, ownerOf({ kind: 'credential', userId, backend, name }));
    db.insert(credentials)
      .values({ userId, backend, name, sealed, updatedAtMs: updated_at * 1000 })
      .run();
    report.count('credentials');
  }
  // The administrator's choice is imported once: what was withdrawn here since then stays withdrawn.
  if (!source.users().some(({ id, role }) => role === 'admin' && userIds.has(id))) return;
  for (const { env_var: name, shared, updated_at } of source.sharedVariables()) {
    if (shared !== 1) continue;
    db.insert(sharedVariables)
      .values({ name, updatedAtMs: updated_at * 1000 })
      .onConflictDoNothing()
      .run();
    report.count('shared variables');
  }
}
