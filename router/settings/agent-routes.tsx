/** The list of a user's agents, and the page of what is set for one of them. */
import { Elysia, t } from 'elysia';
import { AgentsPage } from '../../views/agents/list-page';
import { AgentSettingsPage } from '../../views/agents/settings-page';
import type { FormState } from '../../views/models';
import type { SessionPlugin, Who } from '../accounts/identify';
import { agentIn, type ShellOf } from '../accounts/present-pages';
import { seedInstructions } from '../agents/seed-instructions';
import type { Agent } from '../agents/store';
import { type AgentAndBackend, agentWithBackend } from '../agents/with-backend';
import type { Backend } from '../backends/backends';
import type { ConversationsService } from '../chat/conversations';
import { type RemovalDeps, removeAgent, resetHome } from '../chat/removal';
import { AppError } from '../lib/errors';
import { refusedForm } from '../web/answers/refused-form';
import { page, seeOther } from '../web/answers/respond';
import { patiently } from '../web/patience';
import { textOf } from '../web/reader';
import { type AgentViewDeps, agentSettings, kindsOf } from './present-agent';

const field = t.String({ maxLength: 1_000 });
const said = t.Object({ said: t.Optional(t.String()) });
const typed = t.Object({ typed: field });

/** What a redirect says was done, by the card that says it. */
function saidOf(who: Who): Readonly<Record<string, string>> {
  const { agents: words } = textOf(who);
  return {
    created: words.created,
    general: words.saved,
    instructions: words.savedRunner,
    variables: words.savedRunner,
    reset: words.ends.reset.done,
  };
}

interface AgentRoutesDeps extends AgentViewDeps, Omit<RemovalDeps, 'config' | 'agents'> {
  readonly conversations: ConversationsService;
  readonly shell: ShellOf;
}

export function agentPages(deps: AgentRoutesDeps, session: SessionPlugin) {
  const { agents, idle, own, runners } = deps;
  const back = (request: Request, { id }: Agent, card: string) =>
    seeOther(request, `/agents/${id}/settings?said=${card}#${card === 'created' ? 'general' : card}`);

  return new Elysia({ name: 'agent-pages' })
    .use(session)
    .get('/agents', ({ who, query }) => listPage(deps, who, { said: query.said }), { session: true, query: said })
    .post(
      '/agents',
      async ({ who, body, request }) => {
        try {
          return back(request, await agents.create(who.user.id, { ...body, model: '' }), 'created');
        } catch (error) {
          return listPage(deps, who, refusedForm(body, error));
        }
      },
      { session: true, body: t.Object({ backend: field, name: field }) },
    )
    .get(
      '/agents/:id/settings',
      async ({ who, params, query }) => settingsPage(deps, who, await about(deps, who, params), { said: query.said }),
      { session: true, query: said },
    )
    .post(
      '/agents/:id/settings',
      async ({ who, params, body, request }) => {
        const { agent, backend } = await about(deps, who, params);
        const seconds = body.idle === '' ? null : idle.clamp(Number(body.idle) || 0);
        try {
          const { name, model } = body;
          const change = { name, idleSeconds: seconds, ...(model !== undefined && { model }) };
          await runners.agentChanged(await agents.update(agent, change));
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settingsPage(deps, who, { agent, backend }, { refused: { general: form }, status });
        }
        return back(request, agent, 'general');
      },
      { session: true, body: t.Object({ name: field, model: t.Optional(field), idle: field }) },
    )
    .post(
      '/agents/:id/settings/instructions',
      async ({ who, params, body, request }) => {
        const { agent, backend } = await about(deps, who, params);
        try {
          await own.setInstructions(agent, backend, await withoutOriginal(deps, who, backend, body.instructions));
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settingsPage(deps, who, { agent, backend }, { refused: { instructions: form }, status });
        }
        await runners.agentChanged(agent);
        return back(request, agent, 'instructions');
      },
      { session: true, body: t.Object({ instructions: t.String() }) },
    )
    .post(
      '/agents/:id/settings/variables',
      async ({ who, params, body, request }) => {
        const { agent, backend } = await about(deps, who, params);
        const { name, value, remove } = body;
        try {
          // An empty field keeps the stored value: a secret is never in its field.
          if (remove !== undefined || value.trim() !== '') {
            await own.setVariable(agent, backend, name, remove === undefined ? value : '');
          }
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settingsPage(deps, who, { agent, backend }, { refused: { [name]: form }, status });
        }
        await runners.agentChanged(agent);
        return back(request, agent, 'variables');
      },
      { session: true, body: t.Object({ name: field, value: t.String(), remove: t.Optional(field) }) },
    )
    .post(
      '/agents/:id/settings/reset',
      async ({ who, params, body, request, server }) => {
        const { agent, backend } = await about(deps, who, params);
        try {
          requireName(who, agent, body.typed);
          await patiently({ request, server }, () => resetHome(deps, agent));
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settingsPage(deps, who, { agent, backend }, { refused: { reset: form }, status });
        }
        return back(request, agent, 'reset');
      },
      { session: true, body: typed },
    )
    .post(
      '/agents/:id/settings/delete',
      async ({ who, params, body, request, server }) => {
        const { agent, backend } = await about(deps, who, params);
        try {
          requireName(who, agent, body.typed);
          await patiently({ request, server }, () => removeAgent(deps, agent));
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settingsPage(deps, who, { agent, backend }, { refused: { delete: form }, status });
        }
        return seeOther(request, '/agents?said=deleted');
      },
      { session: true, body: typed },
    );
}

const about = (deps: AgentRoutesDeps, { user }: Who, { id }: { id: string }) => agentWithBackend(deps, user.id, id);

function requireName(who: Who, { name }: Agent, typed: string): void {
  if (typed.trim() === name) return;
  throw new AppError('invalid_fields', { fields: { typed: textOf(who).agents.notThatName } });
}

/** Empty for the text of the seed as it is, so that a later seed applies. */
async function withoutOriginal(deps: AgentRoutesDeps, { user }: Who, backend: Backend, typed: string): Promise<string> {
  const original = await seedInstructions(deps.config.seedsRoot, backend, user);
  const plain = (one = '') => one.replace(/\r\n?/g, '\n').trim();
  return plain(typed) === plain(original) ? '' : typed;
}

async function settingsPage(
  deps: AgentRoutesDeps,
  who: Who,
  { agent, backend }: AgentAndBackend,
  shown: { said?: string | undefined; refused?: Record<string, FormState>; status?: number },
): Promise<Response> {
  const shell = await deps.shell(who, agent.id);
  const view = agentIn(shell);
  const settings = await agentSettings(deps, who, { agent, backend, refused: shown.refused ?? {} });
  const message = shown.said === undefined ? undefined : saidOf(who)[shown.said];
  const card = shown.said === 'created' ? 'general' : shown.said;
  return page(
    who,
    <AgentSettingsPage
      shell={shell}
      agent={view}
      settings={settings}
      {...(message && card && { said: { card, flash: { kind: 'good', message } } })}
    />,
    shown.status,
  );
}

async function listPage(
  deps: AgentRoutesDeps,
  who: Who,
  shown: { said?: string | undefined; form?: FormState; status?: number },
): Promise<Response> {
  const [shell, kinds] = [await deps.shell(who), await kindsOf(deps, who)];
  const form = shown.form ?? { values: {}, errors: {} };
  const isDeleted = shown.said === 'deleted' && {
    flash: { kind: 'good', message: textOf(who).agents.deleted } as const,
  };
  return page(who, <AgentsPage shell={shell} kinds={kinds} form={form} {...isDeleted} />, shown.status);
}
