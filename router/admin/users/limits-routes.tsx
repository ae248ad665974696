/** What users may have: for one of them, or for everybody; on a page and at `/api/admin/limits`. */
import { Elysia, t } from 'elysia';
import { AdminLimitsPage, type BudgetLine, type UsualLimit } from '../../../views/admin/limits';
import type { FormState } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { ShellOf } from '../../accounts/present-pages';
import { type AskedLimits, EVERYBODY, type UserLimitsService } from '../../accounts/users/limits';
import type { User } from '../../accounts/users/store';
import type { UsersService } from '../../accounts/users/users';
import type { BackendRegistry } from '../../backends/backends';
import { numberOf } from '../../lib/text';
import type { RunnersService } from '../../runners/runners';
import { type BudgetsService, EVERYBODY as EVERYBODYS_BUDGET } from '../../usage/budgets/budgets';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { type Incoming, patiently } from '../../web/patience';

const typed = t.String({ maxLength: 100 });
const fields = t.Object({
  runners: typed,
  agents: typed,
  backends: t.Optional(t.Union([t.String(), t.Array(t.String())])),
});
const number = t.Optional(t.Union([t.Number(), t.Null()]));
const body = t.Object({
  runners: number,
  agents: number,
  backends: t.Optional(t.Union([t.Array(t.String()), t.Null()])),
});

interface LimitsRoutesDeps {
  readonly backends: BackendRegistry;
  readonly runners: Pick<RunnersService, 'running' | 'stop'>;
  readonly shell: ShellOf;
  readonly userLimits: UserLimitsService;
  readonly budgets: Pick<BudgetsService, 'ownState' | 'ofEverybody'>;
  readonly users: Pick<UsersService, 'get'>;
}

export function limitsRoutes(deps: LimitsRoutesDeps, session: SessionPlugin) {
  const { users } = deps;

  return new Elysia({ name: 'limits' })
    .use(session)
    .use(apiRoutes(deps, session))
    .get('/admin/limits', ({ who, query }) => limitsPage(deps, who, undefined, { said: query.said }), {
      admin: true,
      query: t.Object({ said: t.Optional(t.String()) }),
    })
    .post('/admin/limits', (submitted) => setLimits(deps, submitted), {
      ...{ admin: true, audit: 'limits.set', body: fields },
    })
    .get(
      '/admin/users/:id/limits',
      async ({ who, params, query }) => limitsPage(deps, who, await users.get(params.id), { said: query.said }),
      { admin: true, query: t.Object({ said: t.Optional(t.String()) }) },
    )
    .post(
      '/admin/users/:id/limits',
      async (submitted) => setLimits(deps, submitted, await users.get(submitted.params.id)),
      { admin: true, audit: 'limits.set', body: fields },
    );
}

function apiRoutes(deps: LimitsRoutesDeps, session: SessionPlugin) {
  const { userLimits, users } = deps;
  return new Elysia({ name: 'limits-api' })
    .use(session)
    .get('/api/admin/limits', () => ({ limits: userLimits.setFor(EVERYBODY) }), { admin: true })
    .put(
      '/api/admin/limits',
      async ({ body, request, server }) => {
        await patiently({ request, server }, () => put(deps, EVERYBODY, askedIn(body)));
        return { limits: userLimits.setFor(EVERYBODY) };
      },
      { admin: true, audit: 'limits.set', body },
    )
    .get(
      '/api/admin/users/:id/limits',
      async ({ params }) => ({ limits: userLimits.setFor((await users.get(params.id)).id) }),
      { admin: true },
    )
    .put(
      '/api/admin/users/:id/limits',
      async ({ params, body, request, server }) => {
        const { id } = await users.get(params.id);
        await patiently({ request, server }, () => put(deps, id, askedIn(body)));
        return { limits: userLimits.setFor(id) };
      },
      { admin: true, audit: 'limits.set', body },
    );
}

/** An absent member is the same as null: the limits are replaced as a whole. */
function askedIn({ runners = null, agents = null, backends = null }: typeof body.static): AskedLimits {
  return { runners, agents, backends };
}

/** Sets limits, and stops the runners of backends that are no longer allowed. Throws `invalid_fields`. */
async function put({ backends, runners, userLimits }: LimitsRoutesDeps, subject: string, asked: AskedLimits) {
  await userLimits.put(subject, asked, (name) => backends.find(name) !== undefined);
  const ended = runners.running().filter(({ agent }) => !userLimits.allows(agent.userId, agent.backend));
  await Promise.allSettled(ended.map(({ agent }) => runners.stop(agent.id, 'asked')));
}

const pathOf = (user: User | undefined) => (user ? `/admin/users/${user.id}/limits` : '/admin/limits');

interface SubmittedForm extends Incoming {
  readonly who: Who;
  readonly body: typeof fields.static;
}

/** Sets the limits of a user, or of everybody, as they are typed into the form. */
async function setLimits(deps: LimitsRoutesDeps, submitted: SubmittedForm, user?: User): Promise<Response> {
  const { who, request, body: typed } = submitted;
  const chosen = [typed.backends ?? []].flat();
  const asked = {
    runners: numberOf(typed.runners),
    agents: numberOf(typed.agents),
    backends: chosen.length === 0 ? null : chosen,
  };
  try {
    await patiently(submitted, () => put(deps, user?.id ?? EVERYBODY, asked));
  } catch (error) {
    const { runners, agents } = typed;
    return limitsPage(deps, who, user, refusedForm({ runners, agents, backends: chosen.join(' ') }, error));
  }
  return seeOther(request, `${pathOf(user)}?said=saved`);
}

/** What applies where nothing is set, and who has set it. */
function usual(ofEverybody: number | null | undefined, ofSettings: number): UsualLimit {
  return ofEverybody == null ? { limit: ofSettings, from: 'settings' } : { limit: ofEverybody, from: 'everybody' };
}

function budgetLine({ budgets }: LimitsRoutesDeps, user: User | undefined): BudgetLine {
  const state = user && budgets.ownState(user.id);
  const found = user ? state?.budget : budgets.ofEverybody();
  const href = `/admin/budgets?budget=${user?.id ?? EVERYBODYS_BUDGET}#set-budget`;
  if (!found) return { href };
  const { unit, period, softLimit, hardLimit } = found;
  return {
    href,
    ...{ unit, period, isOfEverybody: state?.isOfEverybody ?? false },
    ...(softLimit !== null && { softLimit }),
    ...(hardLimit !== null && { hardLimit }),
  };
}

interface Shown {
  readonly form?: FormState;
  readonly status?: number;
  readonly said?: string | undefined;
}

async function limitsPage(deps: LimitsRoutesDeps, who: Who, user: User | undefined, shown: Shown): Promise<Response> {
  const { runners, agents, backends } = deps.userLimits.setFor(user?.id ?? EVERYBODY);
  const everybody = user ? deps.userLimits.setFor(EVERYBODY) : undefined;
  const { defaults } = deps.userLimits;
  const stored = {
    runners: String(runners ?? ''),
    agents: String(agents ?? ''),
    backends: backends?.join(' ') ?? '',
  };
  return page(
    who,
    <AdminLimitsPage
      shell={await deps.shell(who)}
      user={user && { id: user.id, name: user.name || user.email }}
      action={pathOf(user)}
      form={shown.form ?? { values: stored, errors: {} }}
      usual={{
        runners: usual(everybody?.runners, defaults.runners),
        agents: usual(everybody?.agents, defaults.agents),
      }}
      budget={budgetLine(deps, user)}
      backends={deps.backends.all().map(({ name, displayName }) => ({ value: name, label: displayName }))}
      isSaved={shown.said === 'saved'}
    />,
    shown.status,
  );
}
