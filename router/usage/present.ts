/** Presents usage, prices and budgets for pages and the API. Looks up names; decides nothing. */
import type {
  BudgetSubject,
  BudgetView,
  Flash,
  FormState,
  UsageFigures,
  UsageLine,
  UsageView,
} from '../../views/models';
import type { AccountsService } from '../accounts/accounts';
import type { KeysService } from '../accounts/keys';
import type { KeyName } from '../accounts/keys-store';
import type { User, UserName } from '../accounts/store';
import { text } from '../web/respond';
import type { BudgetState } from './budgets';
import { type Days, eachDay, type NamedGroup, type Scope, type UsageService } from './reports';
import type { UsageDimension, UsageTotals } from './store';

/** The dimensions by which a page divides its days. */
type Division = Exclude<UsageDimension, 'day'>;

/** Lines of a table on a page. The API returns all lines. */
const LINES_MAX = 100;
/** Users, and keys, from which one is chosen. */
const CHOICES_MAX = 200;
/** Characters of a name that are shown: clients choose the names of models. */
const NAME_MAX = 200;
const FIGURES = [
  ...(['calls', 'promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens', 'cost'] as const),
  'estimatedCalls',
] as const;

export interface UsagePageOf {
  readonly scope: Scope;
  readonly divisions: readonly Division[];
  readonly apiPath: string;
  /** The dates as typed, and the errors of the fields. */
  readonly refused?: { readonly typed: Days; readonly errors: Readonly<Record<string, string>> };
}

export async function usageView(
  { usage }: { readonly usage: UsageService },
  { scope, divisions, apiPath, refused }: UsagePageOf,
) {
  const { days } = scope;
  const totals = figures(await usage.totals(scope));
  const byDay = new Map((await usage.groups(scope, 'day')).map((group) => [group.key, group]));
  const tables = await Promise.all(
    divisions.map(async (by) => ({
      id: `by-${by}`,
      title: text.usage.tables[by],
      nameOfLines: text.usage.name[by],
      lines: linesOf(await usage.groups(scope, by, LINES_MAX + 1), by, totals),
    })),
  );
  const view: UsageView = {
    range: {
      ...(refused?.typed ?? days),
      presets: Object.entries(usage.usualDays()).map(([name, { from, to }]) => ({
        label: text.usage.presets[name as keyof typeof text.usage.presets],
        from,
        to,
        current: !refused && from === days.from && to === days.to,
      })),
      errors: { ...refused?.errors },
    },
    totals,
    days: eachDay(days).map((day) => ({ ...figures(byDay.get(day)), key: day, name: day })),
    // Omits tables whose only key is empty.
    tables: tables.filter(({ lines }) => lines.some(({ key }) => key !== '')),
    csvHref: `${apiPath}?format=csv&from=${days.from}&to=${days.to}`,
  };
  return view;
}

/** When there are too many groups, the last line sums up the rest. */
function linesOf(groups: readonly NamedGroup[], by: Division, totals: UsageFigures): UsageLine[] {
  const lines = groups.slice(0, LINES_MAX).map((group) => usageLine(group, by));
  if (groups.length <= LINES_MAX) return lines;
  const others = { ...totals };
  for (const line of lines) for (const name of FIGURES) others[name] -= line[name];
  return [...lines, { ...others, key: 'others', name: text.usage.others }];
}

function usageLine(group: NamedGroup, by: Division): UsageLine {
  const name = group.name || nameless(group.key, by);
  return { ...figures(group), key: group.key, name: name.length > NAME_MAX ? `${name.slice(0, NAME_MAX)}…` : name };
}

function nameless(key: string, by: Division): string {
  const names = text.usage.unnamed;
  if (by === 'backend') return key;
  if (by === 'key' && key === '') return names.noKey;
  return names[by];
}

function figures(totals?: UsageTotals): UsageFigures {
  return {
    calls: totals?.calls ?? 0,
    promptTokens: totals?.promptTokens ?? 0,
    completionTokens: totals?.completionTokens ?? 0,
    cachedTokens: totals?.cachedTokens ?? 0,
    reasoningTokens: totals?.reasoningTokens ?? 0,
    cost: totals?.cost ?? 0,
    estimatedCalls: totals?.estimatedCalls ?? 0,
  };
}

/** The members of a report's totals and of each of its groups. */
export function figuresJson(totals: UsageTotals) {
  return {
    calls: totals.calls,
    prompt_tokens: totals.promptTokens,
    completion_tokens: totals.completionTokens,
    cached_tokens: totals.cachedTokens,
    reasoning_tokens: totals.reasoningTokens,
    total_tokens: totals.promptTokens + totals.completionTokens,
    cost: money(totals.cost),
    estimated_calls: totals.estimatedCalls,
  };
}

/** Rounds an amount: sums of fractions have meaningless digits. */
export function money(amount: number): number {
  return Math.round(amount * 1e9) / 1e9;
}

/** Users and keys by id: the owners of budgets. */
export interface Owners {
  readonly users: ReadonlyMap<string, UserName>;
  readonly keys: ReadonlyMap<string, KeyName>;
}

export interface OwnersDeps {
  readonly accounts: AccountsService;
  readonly keys: KeysService;
}

/** Those whose budgets these are: for the administrator. */
export async function ownersOfAll({ accounts, keys }: OwnersDeps, states: readonly BudgetState[]): Promise<Owners> {
  const userIds = new Set(states.map(({ budget }) => budget.userId));
  const keyIds = states.flatMap(({ budget }) => budget.keyId ?? []);
  return ownersOf(await accounts.namesOf([...userIds]), await keys.namesOf(keyIds));
}

/** Everybody and every key, for a choice; undefined where there are too many to choose from. */
export async function everyOwner({ accounts, keys }: OwnersDeps): Promise<Owners | undefined> {
  const users = await accounts.list(CHOICES_MAX + 1);
  const { keys: all, hasMore } = await keys.listAll(CHOICES_MAX);
  return users.length > CHOICES_MAX || hasMore ? undefined : ownersOf(users, all);
}

/** One user and their keys. */
export async function ownOwners({ keys }: Pick<OwnersDeps, 'keys'>, user: User): Promise<Owners> {
  return ownersOf([user], await keys.list(user.id));
}

function ownersOf(users: readonly UserName[], keys: readonly KeyName[]): Owners {
  return { users: new Map(users.map((user) => [user.id, user])), keys: new Map(keys.map((key) => [key.id, key])) };
}

export function budgetViews(states: readonly BudgetState[], owners: Owners): BudgetView[] {
  const views = ofThose(states, owners).map((state) => budgetView(state, owners));
  // Sorts a user before their keys.
  const place = ({ owner, label, isKey }: BudgetView) => `${owner ?? label} ${isKey ? label : ''}`;
  return views.sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

/** Leaves out budgets of keys that no longer exist. */
function ofThose(states: readonly BudgetState[], { keys }: Owners): readonly BudgetState[] {
  return states.filter(({ budget }) => budget.keyId === null || keys.has(budget.keyId));
}

function budgetView({ budget, used, resetsAtMs, level }: BudgetState, { users, keys }: Owners): BudgetView {
  const { subjectId, userId, keyId, unit, period, softLimit, hardLimit } = budget;
  const email = users.get(userId)?.email ?? text.usage.unnamed.user;
  return {
    subjectId,
    label: keyId === null ? email : (keys.get(keyId)?.name ?? text.usage.unnamed.key),
    ...(keyId !== null && { owner: email }),
    isKey: keyId !== null,
    unit,
    period,
    ...(softLimit !== null && { softLimit }),
    ...(hardLimit !== null && { hardLimit }),
    used,
    resetsAtMs,
    level,
  };
}

/**
 * The users and keys for which a budget can be set. A key is shown with its owner, unless all keys have the same owner.
 */
export function budgetSubjects({ users, keys }: Owners): { users: BudgetSubject[]; keys: BudgetSubject[] } {
  const emailOf = (userId: string) => users.get(userId)?.email ?? text.usage.unnamed.user;
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

const SAID = {
  price: text.prices.saved,
  'no-price': text.prices.removed,
  'shared-models': text.sharedModels.saved,
  budget: text.budgets.saved,
  'no-budget': text.budgets.removed,
} as const;

/** The message that a page shows after a redirect. */
export function saidOf(said: string | undefined): Flash | undefined {
  const message: string | undefined = SAID[said as keyof typeof SAID];
  return message === undefined ? undefined : { kind: 'good', message };
}

export function budgetsJson(states: readonly BudgetState[], owners: Owners) {
  return ofThose(states, owners).map((state) => budgetJson(state, owners));
}

function budgetJson({ budget, used, resetsAtMs, level }: BudgetState, { users, keys }: Owners) {
  return {
    subject: budget.subjectId,
    user: users.get(budget.userId)?.email ?? null,
    key: budget.keyId === null ? null : (keys.get(budget.keyId)?.name ?? null),
    unit: budget.unit,
    period: budget.period,
    soft_limit: budget.softLimit,
    hard_limit: budget.hardLimit,
    used: budget.unit === 'money' ? money(used) : used,
    resets_at: Math.floor(resetsAtMs / 1000),
    level,
  };
}
