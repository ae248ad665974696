/**
 * Budgets: users set those of their own keys, the administrator sets those of users and of all keys. Only the user's
 * budget limits the user: a key's budget helps the owner, who could make another key.
 */
import { Elysia, t } from 'elysia';
import { AdminBudgetsPage } from '../../views/admin/page';
import type { FormState } from '../../views/models';
import type { SessionPlugin, Who } from '../accounts/identify';
import { shellOf } from '../chat/present';
import type { Context } from '../context';
import { AppError } from '../lib/errors';
import { page, seeOther } from '../web/respond';
import type { Budget } from './budgets-store';
import {
  allOwners,
  budgetForm,
  budgetSubjects,
  budgetsJson,
  budgetViews,
  numberOf,
  ownOwners,
  refusedForm,
  saidOf,
} from './present';
import { usagePage } from './routes';

const unit = t.Union([t.Literal('tokens'), t.Literal('money')]);
const period = t.Union([t.Literal('day'), t.Literal('month')]);
const limit = t.Optional(t.Union([t.Number(), t.Null()]));
const budgetBody = t.Object({ unit, period, soft_limit: limit, hard_limit: limit });
const budgetFields = t.Object({ subject: t.String(), unit, period, soft_limit: t.String(), hard_limit: t.String() });

type Subject = Pick<Budget, 'subjectId' | 'userId' | 'keyId'>;
type Limits = Pick<Budget, 'unit' | 'period' | 'softLimit' | 'hardLimit'>;

export function budgetsRoutes(context: Context, session: SessionPlugin) {
  return new Elysia({ name: 'budgets' })
    .use(session)
    .use(ownRoutes(context, session))
    .get('/admin/budgets', ({ who, query }) => budgetsPage(context, who, query), {
      admin: true,
      query: t.Object({ budget: t.Optional(t.String()), said: t.Optional(t.String()) }),
    })
    .post(
      '/admin/budgets',
      async ({ who, body, request }) => {
        try {
          await context.budgets.put({ ...(await anySubject(context, body.subject)), ...typedLimits(body) });
        } catch (error) {
          return budgetsPage(context, who, {}, refusedBy(error, body));
        }
        return seeOther(request, '/admin/budgets?said=budget');
      },
      { admin: true, body: budgetFields },
    )
    .post(
      '/admin/budgets/remove',
      async ({ body, request }) => {
        await context.budgets.remove(body.subject);
        return seeOther(request, '/admin/budgets?said=no-budget');
      },
      { admin: true, body: t.Object({ subject: t.String() }) },
    )

    .get(
      '/api/admin/budgets',
      async () => ({ budgets: budgetsJson(context.budgets.list(), await allOwners(context)) }),
      { admin: true },
    )
    .put(
      '/api/admin/budgets/:subject',
      async ({ params, body }) => {
        await context.budgets.put({ ...(await anySubject(context, params.subject)), ...limitsIn(body) });
        return { ok: true };
      },
      { admin: true, body: budgetBody },
    )
    .delete(
      '/api/admin/budgets/:subject',
      async ({ params }) => {
        await context.budgets.remove(params.subject);
        return { ok: true };
      },
      { admin: true },
    );
}

/** Routes for the budgets of the user's own keys; users may also read their own budget. */
function ownRoutes(context: Context, session: SessionPlugin) {
  return new Elysia({ name: 'own-budgets' })
    .use(session)
    .post(
      '/usage/budgets',
      async ({ who, body, request }) => {
        try {
          await context.budgets.put({ ...(await ownKey(context, who, body.subject)), ...typedLimits(body) });
        } catch (error) {
          return usagePage(context, who, {}, refusedBy(error, body));
        }
        return seeOther(request, '/usage?said=budget');
      },
      { session: true, body: budgetFields },
    )
    .post(
      '/usage/budgets/remove',
      async ({ who, body, request }) => {
        const { subjectId } = await ownKey(context, who, body.subject);
        await context.budgets.remove(subjectId);
        return seeOther(request, '/usage?said=no-budget');
      },
      { session: true, body: t.Object({ subject: t.String() }) },
    )

    .get(
      '/api/me/budgets',
      async ({ who }) => ({
        budgets: budgetsJson(context.budgets.statesOf(who.user.id), await ownOwners(context, who.user)),
      }),
      { session: true },
    )
    .put(
      '/api/me/keys/:id/budget',
      async ({ who, params, body }) => {
        await context.budgets.put({ ...(await ownKey(context, who, params.id)), ...limitsIn(body) });
        return { ok: true };
      },
      { session: true, body: budgetBody },
    )
    .delete(
      '/api/me/keys/:id/budget',
      async ({ who, params }) => {
        const { subjectId } = await ownKey(context, who, params.id);
        await context.budgets.remove(subjectId);
        return { ok: true };
      },
      { session: true },
    );
}

/**
 * Throws `not_found` for an unknown key and for another user's key, and `forbidden` for the key that makes the request:
 * a limit that its holder could lift would be no limit.
 */
async function ownKey(context: Context, who: Who, id: string): Promise<Subject> {
  if (who.key?.id === id) {
    throw new AppError('forbidden', { message: 'A key cannot change its own budget. Sign in, or use another key.' });
  }
  const key = await context.keys.findById(id);
  if (key?.userId !== who.user.id) throw new AppError('not_found', { message: 'You have no such key.' });
  return { subjectId: id, userId: key.userId, keyId: id };
}

async function anySubject(context: Context, id: string): Promise<Subject> {
  if (await context.accounts.find(id)) return { subjectId: id, userId: id, keyId: null };
  const key = await context.keys.findById(id);
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

function refusedBy(error: unknown, body: BudgetFields): { form: FormState; status: number } {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  return { form: refusedForm(body, error), status: error.status };
}

async function budgetsPage(
  context: Context,
  who: Who,
  query: { readonly budget?: string | undefined; readonly said?: string | undefined },
  refused?: { readonly form: FormState; readonly status: number },
): Promise<Response> {
  const owners = await allOwners(context);
  const states = context.budgets.list();
  const subjects = budgetSubjects(owners);
  const chosen = states.find(({ budget }) => budget.subjectId === query.budget);
  return page(
    <AdminBudgetsPage
      shell={await shellOf(context, who, {})}
      budgets={budgetViews(states, owners)}
      subjects={[...subjects.users, ...subjects.keys]}
      form={refused?.form ?? budgetForm(chosen)}
      flash={saidOf(query.said)}
    />,
    refused?.status ?? 200,
  );
}
