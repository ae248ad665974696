/** Usage: the pages, `/api/me/usage` and `/api/admin/usage`, as JSON and CSV. */
import { Elysia, t } from 'elysia';
import { AdminUsagePage } from '../../../views/admin/page';
import type { FormState } from '../../../views/models';
import { UsagePage } from '../../../views/usage/page';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { KeysService } from '../../accounts/keys/keys';
import type { ShellOf } from '../../accounts/present-pages';
import { AppError } from '../../lib/errors';
import { page } from '../../web/answers/respond';
import { type Incoming, patiently } from '../../web/patience';
import type { OpenStreams } from '../../web/streams/open-streams';
import type { BudgetsService } from '../budgets/budgets';
import { budgetForm, budgetSubjects, budgetViews, ownOwners, saidOf } from '../budgets/present';
import type { UsageDimension } from '../store/calls';
import { csvResponse, type Line, wantsCsv } from './csv';
import { figuresJson, type UsagePageOf, usageView } from './present';
import type { Call, Days, Scope, UsageService } from './reports';

const OWN_GROUPS: readonly UsageDimension[] = ['day', 'model', 'backend', 'agent', 'key'];
const ADMIN_GROUPS: readonly UsageDimension[] = [...OWN_GROUPS, 'user'];
const CSV_HEADER = [
  ...['time', 'user', 'agent', 'backend', 'model', 'path', 'key', 'conversation', 'credentials'],
  ...['prompt_tokens', 'completion_tokens', 'cached_tokens', 'reasoning_tokens', 'total_tokens', 'estimated', 'cost'],
  ...['status', 'ending', 'first_byte_ms', 'total_ms'],
] as const;

const days = { from: t.Optional(t.String()), to: t.Optional(t.String()) };
const reportQuery = t.Object({
  ...days,
  group: t.Optional(t.String()),
  format: t.Optional(t.String()),
  /** The page of the groups, from 1; all days are on the first. */
  page: t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000 })),
});
/** Groups of one answer. */
const GROUPS_PER_PAGE = 1_000;

interface PeriodQuery {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface UsageRoutesDeps {
  readonly usage: UsageService;
  readonly budgets: BudgetsService;
  readonly keys: KeysService;
  readonly streams: OpenStreams;
  readonly shell: ShellOf;
}

export function usageRoutes(deps: UsageRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'usage' })
    .use(session)
    .get('/usage', ({ who, query }) => usagePage(deps, who, query), {
      session: true,
      query: t.Object({ ...days, budget: t.Optional(t.String()), said: t.Optional(t.String()) }),
    })
    .get(
      '/admin/usage',
      async ({ who, query }) => {
        const { scope, refused, status } = askedFor(deps, query);
        const usage = await usageView(deps, who, {
          scope,
          divisions: ['user', 'model', 'backend'],
          apiPath: '/api/admin/usage',
          ...(refused && { refused }),
        });
        return page(who, <AdminUsagePage shell={await deps.shell(who)} usage={usage} />, status);
      },
      { admin: true, query: t.Object(days) },
    )
    .get(
      '/api/me/usage',
      ({ who, query, request, server }) => {
        const scope = { days: deps.usage.daysOf(query), userId: who.user.id };
        return report(deps, who, { request, server }, { scope, ...query, groups: OWN_GROUPS });
      },
      { session: true, query: reportQuery },
    )
    .get(
      '/api/admin/usage',
      ({ who, query, request, server }) => {
        const scope = { days: deps.usage.daysOf(query) };
        return report(deps, who, { request, server }, { scope, ...query, groups: ADMIN_GROUPS });
      },
      { admin: true, query: reportQuery },
    );
}

/**
 * The user's own page. In its URL, `budget` is the key whose budget is being edited, and `said` is the message of a
 * finished action; `refused` is the budget's form as it was sent.
 */
export async function usagePage(
  deps: UsageRoutesDeps,
  who: Who,
  query: PeriodQuery & { readonly budget?: string | undefined; readonly said?: string | undefined },
  refusedForm?: { readonly form: FormState; readonly status: number },
): Promise<Response> {
  const { scope, refused, status } = askedFor(deps, query, who.user.id);
  const about: UsagePageOf = {
    scope,
    divisions: ['model', 'agent', 'key'],
    apiPath: '/api/me/usage',
    ...(refused && { refused }),
  };
  const owners = await ownOwners(deps, who.user);
  const states = deps.budgets.statesOf(who.user.id);
  const chosen = states.find(({ budget }) => budget.subjectId === query.budget && budget.keyId !== null);
  return page(
    who,
    <UsagePage
      shell={await deps.shell(who)}
      usage={await usageView(deps, who, about)}
      budgets={budgetViews(who, states, owners)}
      keys={budgetSubjects(who, owners).keys}
      form={{ ...(refusedForm?.form ?? budgetForm(chosen)), open: refusedForm !== undefined || chosen !== undefined }}
      flash={saidOf(who, query.said)}
    />,
    refusedForm?.status ?? status,
  );
}

/** Days of a page's address. What cannot be read shows the usual days, with what is wrong beside the field. */
function askedFor(deps: UsageRoutesDeps, { from, to }: PeriodQuery, userId?: string) {
  const scopeOf = (days: Days): Scope => (userId === undefined ? { days } : { days, userId });
  try {
    return { scope: scopeOf(deps.usage.daysOf({ from, to })), status: 200 };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const typed = { from: from ?? '', to: to ?? '' };
    const refused = { typed, errors: { ...error.fields } };
    return { scope: scopeOf(deps.usage.daysOf({})), refused, status: error.status };
  }
}

interface ReportOf {
  readonly scope: Scope;
  readonly group?: string | undefined;
  readonly page?: number | undefined;
  readonly groups: readonly UsageDimension[];
}

async function report(deps: UsageRoutesDeps, who: Who, incoming: Incoming, asked: ReportOf) {
  if (wantsCsv(incoming.request)) return callsAsCsv(deps, who, incoming, asked.scope);
  return patiently(incoming, () => groupsAsJson(deps, asked));
}

async function groupsAsJson(deps: UsageRoutesDeps, { scope, group = 'day', page: number = 1, groups }: ReportOf) {
  const by = groups.find((one) => one === group);
  if (!by) throw new AppError('invalid_request', { message: `"group": expected one of ${groups.join(', ')}.` });
  const found = await deps.usage.groups(scope, by, GROUPS_PER_PAGE + 1, (number - 1) * GROUPS_PER_PAGE);
  return {
    ...scope.days,
    group: by,
    // The totals of all groups, on every page.
    totals: figuresJson(await deps.usage.totals(scope)),
    groups: found.slice(0, GROUPS_PER_PAGE).map((one) => ({
      key: one.key,
      name: one.name ?? null,
      ...figuresJson(one),
    })),
    has_more: found.length > GROUPS_PER_PAGE,
  };
}

function callsAsCsv(deps: UsageRoutesDeps, who: Who, incoming: Incoming, scope: Scope): Response {
  const { from, to } = scope.days;
  return csvResponse({
    name: `usage-${from}-to-${to}.csv`,
    header: CSV_HEADER,
    pages: linesOf(deps.usage.calls(scope)),
    incoming,
    hold: (closable) => deps.streams.add({ userId: who.user.id, credentialId: who.credentialId }, closable),
  });
}

async function* linesOf(pages: AsyncIterable<readonly Call[]>): AsyncGenerator<readonly Line[]> {
  for await (const calls of pages) yield calls.map(callLine);
}

function callLine({ row, user, agent, key }: Call): Line {
  return [
    ...[new Date(row.atMs).toISOString(), user, agent, row.backend, row.model, row.path],
    ...[key, row.conversationId, row.source],
    ...[row.promptTokens, row.completionTokens, row.cachedTokens, row.reasoningTokens],
    ...[row.promptTokens + row.completionTokens, row.estimated, row.cost],
    ...[row.status, row.ending, row.firstByteMs, row.totalMs],
  ];
}
