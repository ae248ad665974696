/** Presents budgets and their owners for pages and the API. Looks up names; decides nothing. */
import type { Flash, FormState } from '../../../views/models';
import type { BudgetSubject, BudgetView } from '../../../views/usage/models';
import type { AccountsService } from '../../accounts/accounts';
import type { KeysService } from '../../accounts/keys/keys';
import type { KeyName } from '../../accounts/keys/store';
import type { User, UserName } from '../../accounts/users/store';
import { unixSeconds } from '../../lib/time';
import { flashOf } from '../../web/answers/flash';
import { type Reader, textOf } from '../../web/reader';
import { money } from '../reports/present';
import type { BudgetState } from './budgets';

/** Users, and keys, from which one is chosen. */
const CHOICES_MAX = 200;

/** Users and keys by id: the owners of budgets. */
interface Owners {
  readonly users: ReadonlyMap<string, UserName>;
  readonly keys: ReadonlyMap<string, KeyName>;
}

export interface OwnersDeps {
  readonly accounts: AccountsService;
  readonly keys: KeysService;
}

/** Looks up the owners of these budgets, for the administrator. */
export async function ownersOfAll({ accounts, keys }: OwnersDeps, states: readonly BudgetState[]): Promise<Owners> {
  const userIds = new Set(states.flatMap(({ budget }) => budget.userId ?? []));
  const keyIds = states.flatMap(({ budget }) => budget.keyId ?? []);
  return ownersOf(await accounts.namesOf([...userIds]), await keys.namesOf(keyIds));
}

/** Everybody and every key, for a choice; undefined where there are too many to choose from. */
export async function everyOwner({ accounts, keys }: OwnersDeps): Promise<Owners | undefined> {
  const users = await accounts.list(CHOICES_MAX + 1);
  const { keys: all, hasMore } = await keys.listAll(CHOICES_MAX);
  return users.length > CHOICES_MAX || hasMore ? undefined : ownersOf(users, all);
}

/** Looks up a user and their keys. */
export async function ownOwners({ keys }: Pick<OwnersDeps, 'keys'>, user: User): Promise<Owners> {
  return ownersOf([user], await keys.list(user.id));
}

function ownersOf(users: readonly UserName[], keys: readonly KeyName[]): Owners {
  return { users: new Map(users.map((user) => [user.id, user])), keys: new Map(keys.map((key) => [key.id, key])) };
}

export function budgetViews(reader: Reader, states: readonly BudgetState[], owners: Owners): BudgetView[] {
  const views = ofThose(states, owners).map((state) => budgetView(reader, state, owners));
  // Sorts everybody's first, and a user before their keys.
  const place = ({ owner, label, isKey, used }: BudgetView) =>
    used === undefined ? '' : `${owner ?? label} ${isKey ? label : ''}`;
  return views.sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

/** Leaves out budgets of keys that no longer exist. */
function ofThose(states: readonly BudgetState[], { keys }: Owners): readonly BudgetState[] {
  return states.filter(({ budget }) => budget.keyId === null || keys.has(budget.keyId));
}

function budgetView(
  reader: Reader,
  { budget, used, resetsAtMs, level, isOfEverybody }: BudgetState,
  { users, keys }: Owners,
): BudgetView {
  const { subjectId, userId, keyId, unit, period, softLimit, hardLimit } = budget;
  const { budgets: t, usage } = textOf(reader);
  const email = userId === null ? t.everybody : (users.get(userId)?.email ?? usage.unnamed.user);
  return {
    subjectId,
    isOfEverybody,
    label: keyId === null ? email : (keys.get(keyId)?.name ?? usage.unnamed.key),
    ...(keyId !== null && { owner: email }),
    isKey: keyId !== null,
    unit,
    period,
    ...(softLimit !== null && { softLimit }),
    ...(hardLimit !== null && { hardLimit }),
    ...(userId !== null && { used }),
    resetsAtMs,
    level,
  };
}

/**
 * The users and keys for which a budget can be set. A key is shown with its owner, unless all keys have the same owner.
 */
export function budgetSubjects(
  reader: Reader,
  { users, keys }: Owners,
): { users: BudgetSubject[]; keys: BudgetSubject[] } {
  const emailOf = (userId: string) => users.get(userId)?.email ?? textOf(reader).usage.unnamed.user;
  const several = users.size > 1;
  return {
    users: [...users.values()].map(({ id, email }) => ({ id, label: email, isKey: false })),
    keys: [...keys.values()].map(({ id, name, userId }) => ({
      id,
      label: several ? `${name} · ${emailOf(userId)}` : name,
      isKey: true,
    })),
  };
}

/** The form that changes a budget, or sets a new one. */
export function budgetForm(state?: BudgetState): FormState {
  if (!state) return { values: {}, errors: {} };
  const { subjectId, unit, period, softLimit, hardLimit } = state.budget;
  const limits = { soft_limit: String(softLimit ?? ''), hard_limit: String(hardLimit ?? '') };
  return { values: { subject: subjectId, unit, period, ...limits }, errors: {} };
}

/** The message that a page shows after a redirect. */
export function saidOf(reader: Reader, said: string | undefined): Flash | undefined {
  const { budgets, prices, sharedModels } = textOf(reader);
  const messages = {
    price: prices.saved,
    'no-price': prices.removed,
    'shared-models': sharedModels.saved,
    budget: budgets.saved,
    'no-budget': budgets.removed,
  };
  return flashOf(messages, said);
}

export function budgetsJson(states: readonly BudgetState[], owners: Owners) {
  return ofThose(states, owners).map((state) => budgetJson(state, owners));
}

function budgetJson({ budget, used, resetsAtMs, level, isOfEverybody }: BudgetState, { users, keys }: Owners) {
  return {
    subject: budget.subjectId,
    user: (budget.userId !== null && users.get(budget.userId)?.email) || null,
    key: budget.keyId === null ? null : (keys.get(budget.keyId)?.name ?? null),
    unit: budget.unit,
    period: budget.period,
    soft_limit: budget.softLimit,
    hard_limit: budget.hardLimit,
    used: budget.unit === 'money' ? money(used) : used,
    ...(isOfEverybody && { of_everybody: true }),
    resets_at: unixSeconds(resetsAtMs),
    level,
  };
}
