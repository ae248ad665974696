/**
 * Budgets: users set those of their own keys, the administrator sets those of users and of all keys. Only the user's
 * budget limits the user: a key's budget helps the owner, who could make another key.
 */
import { Elysia, t } from 'elysia';
import { AdminBudgetsPage } from '../../../views/admin/page';
import type { FormState } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import { AppError } from '../../lib/errors';
import { numberOf } from '../../lib/text';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import { type UsageRoutesDeps, usagePage } from '../reports/routes';
import type { Budget } from '../store/budgets';
import { EVERYBODY } from './budgets';
import {
  budgetForm,
  budgetSubjects,
  budgetsJson,
  budgetViews,
  everyOwner,
  type OwnersDeps,
  ownersOfAll,
  ownOwners,
  saidOf,
} from './present';

const unit = t.Union([t.Literal('tokens'), t.Literal('money')]);
const period = t.Union([t.Literal('day'), t.Literal('month')]);
const limit = t.Optional(t.Number());
const budgetBody = t.Object({ unit, period, soft_limit: limit, hard_limit: limit });
/** Budgets on one page. */
const BUDGETS_SHOWN_MAX = 50;
const pageNumber = t.Integer({ minimum: 1, maximum: 1_000_000 });
const budgetFields = t.Object({ subject: t.String(), unit, period, soft_limit: t.String(), hard_limit: t.String() });

type Subject = Pick<Budget, 'subjectId' | 'userId' | 'keyId'>;
type Limits = Pick<Budget, 'unit' | 'period' | 'softLimit' | 'hardLimit'>;

/** The dependencies of the usage page, which shows the forms, and of the owners' names. */
type BudgetsRoutesDeps = UsageRoutesDeps & OwnersDeps;

export function budgetsRoutes(deps: BudgetsRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'budgets' })
    .use(session)
    .use(ownRoutes(deps, session))
    .get('/admin/budgets', ({ who, query }) => budgetsPage(deps, who, query), {
      admin: true,
      query: t.Object({ budget: t.Optional(t.String()), said: t.Optional(t.String()), page: t.Optional(pageNumber) }),
    })
    .post(
      '/admin/budgets',
      async ({ who, body, request }) => {
        try {
          await deps.budgets.put({ ...(await anySubject(deps, body.subject)), ...typedLimits(body) });
        } catch (error) {
          return budgetsPage(deps, who, {}, refusedForm(body, error));
        }
        return seeOther(request, '/admin/budgets?said=budget');
      },
      { admin: true, audit: 'budget.set', body: budgetFields },
    )
    .post(
      '/admin/budgets/remove',
      async ({ body, request }) => {
        await deps.budgets.remove(body.subject);
        return seeOther(request, '/admin/budgets?said=no-budget');
      },
      { admin: true, audit: 'budget.removed', body: t.Object({ subject: t.String() }) },
    )

    .get(
      '/api/admin/budgets',
      async () => ({ budgets: budgetsJson(deps.budgets.list(), await ownersOfAll(deps, deps.budgets.list())) }),
      {
        admin: true,
      },
    )
    .put(
      '/api/admin/budgets/:subject',
      async ({ params, body }) => {
        await deps.budgets.put({ ...(await anySubject(deps, params.subject)), ...limitsIn(body) });
        return { ok: true };
      },
      { admin: true, audit: 'budget.set', body: budgetBody },
    )
    .delete(
      '/api/admin/budgets/:subject',
      async ({ params }) => {
        await deps.budgets.remove(params.subject);
        return { ok: true };
      },
      { admin: true, audit: 'budget.removed' },
    );
}

/** The routes by which users set the budgets of their own keys and read all that apply to them. */
function ownRoutes(deps: BudgetsRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'own-budgets' })
    .use(session)
    .post(
      '/usage/budgets',
      async ({ who, body, request }) => {
        try {
          await deps.budgets.put({ ...(await ownKey(deps, who, body.subject)), ...typedLimits(body) });
        } catch (error) {
          return usagePage(deps, who, {}, refusedForm(body, error));
        }
        return seeOther(request, '/usage?said=budget');
      },
      { session: true, audit: 'budget.set', body: budgetFields },
    )
    .post(
      '/usage/budgets/remove',
      async ({ who, body, request }) => {
        const { subjectId } = await ownKey(deps, who, body.subject);
        await deps.budgets.remove(subjectId);
        return seeOther(request, '/usage?said=no-budget');
      },
      { session: true, audit: 'budget.removed', body: t.Object({ subject: t.String() }) },
    )

    .get(
      '/api/me/budgets',
      async ({ who }) => ({
        budgets: budgetsJson(deps.budgets.statesOf(who.user.id), await ownOwners(deps, who.user)),
      }),
      { session: true },
    )
    .put(
      '/api/me/keys/:id/budget',
      async ({ who, params, body }) => {
        await deps.budgets.put({ ...(await ownKey(deps, who, params.id)), ...limitsIn(body) });
        return { ok: true };
      },
      { session: true, audit: 'budget.set', body: budgetBody },
    )
    .delete(
      '/api/me/keys/:id/budget',
      async ({ who, params }) => {
        const { subjectId } = await ownKey(deps, who, params.id);
        await deps.budgets.remove(subjectId);
        return { ok: true };
      },
      { session: true, audit: 'budget.removed' },
    );
}

/**
 * Throws `not_found` for an unknown key and for another user's key, and `forbidden` for the key that makes the request:
 * a limit that its holder could lift would be no limit.
 */
async function ownKey(deps: BudgetsRoutesDeps, who: Who, id: string): Promise<Subject> {
  if (who.key?.id === id) {
    throw new AppError('forbidden', { message: 'A key cannot change its own budget. Sign in, or use another key.' });
  }
  const key = await deps.keys.findById(id);
  if (key?.userId !== who.user.id) throw new AppError('not_found', { message: 'You have no such key.' });
  return { subjectId: id, userId: key.userId, keyId: id };
}

/** @param id of a user or a key, a user's e-mail address, or `everybody`. */
async function anySubject(deps: BudgetsRoutesDeps, id: string): Promise<Subject> {
  if (id === EVERYBODY) return { subjectId: EVERYBODY, userId: null, keyId: null };
  const user = (await deps.accounts.find(id)) ?? (await deps.accounts.findByEmail(id));
  if (user) return { subjectId: user.id, userId: user.id, keyId: null };
  const key = await deps.keys.findById(id);
  if (!key) throw new AppError('not_found', { message: 'There is no user and no key with that id.' });
  return { subjectId: id, userId: key.userId, keyId: id };
}

type BudgetBody = typeof budgetBody.static;
type BudgetFields = typeof budgetFields.static;

function limitsIn({ unit, period, soft_limit, hard_limit }: BudgetBody): Limits {
  return { unit, period, softLimit: soft_limit ?? null, hardLimit: hard_limit ?? null };
}

function typedLimits({ unit, period, soft_limit, hard_limit }: BudgetFields): Limits {
  return { unit, period, softLimit: numberOf(soft_limit), hardLimit: numberOf(hard_limit) };
}

/** For a subject without a budget. */
function emptyForm(subject = ''): FormState {
  return { values: { subject }, errors: {} };
}

async function budgetsPage(
  deps: BudgetsRoutesDeps,
  who: Who,
  query: {
    readonly budget?: string | undefined;
    readonly said?: string | undefined;
    readonly page?: number | undefined;
  },
  refused?: { readonly form: FormState; readonly status: number },
): Promise<Response> {
  const { page: number = 1 } = query;
  const from = (number - 1) * BUDGETS_SHOWN_MAX;
  const states = deps.budgets.list();
  const owners = await ownersOfAll(deps, states);
  const all = await everyOwner(deps);
  const subjects = all && budgetSubjects(who, all);
  const everybody = { id: EVERYBODY, label: textOf(who).budgets.everybody, isKey: false };
  const chosen = states.find(({ budget }) => budget.subjectId === query.budget);
  return page(
    who,
    <AdminBudgetsPage
      shell={await deps.shell(who)}
      budgets={budgetViews(who, states, owners).slice(from, from + BUDGETS_SHOWN_MAX)}
      moreHref={states.length > from + BUDGETS_SHOWN_MAX ? `/admin/budgets?page=${number + 1}` : undefined}
      subjects={subjects && [everybody, ...subjects.users, ...subjects.keys]}
      form={refused?.form ?? (chosen ? budgetForm(chosen) : emptyForm(query.budget))}
      flash={saidOf(who, query.said)}
    />,
    refused?.status ?? 200,
  );
}
