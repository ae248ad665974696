/** Administration → Start: the administrator's first ten minutes, made of forms that other pages have too. */
import { Elysia, t } from 'elysia';
import { AdminStartPage, FROM_START } from '../../../views/admin/start';
import type { AgentView, FormState, Shell } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { SettingsPages, SettingsProps, ShellOf } from '../../accounts/present-pages';
import type { BackendRegistry } from '../../backends/backends';
import type { CredentialsService } from '../../credentials/credentials';
import { credentialGroups, groupOf } from '../../credentials/present';
import type { Once } from '../../lib/once';
import { flashOf } from '../../web/answers/flash';
import { page, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import type { NewLink } from '../users/invitations-routes';
import { START_PATH, START_STEPS, type StartService, type StartStep } from './start';

interface StartRoutesDeps {
  readonly backends: BackendRegistry;
  readonly credentials: CredentialsService;
  readonly newLinks: Once<NewLink>;
  readonly shell: ShellOf;
  readonly start: StartService;
}

interface StartShown {
  readonly said?: string | undefined;
  /** The step that is open; by default the first that is not done. */
  readonly step?: StartStep | undefined;
  /** Refused or tested credentials. */
  readonly credentials?: SettingsProps['credentials'];
  /** A refused invitation. */
  readonly invitation?: FormState;
  readonly status?: number | undefined;
}

export type StartPage = (who: Who, shown: StartShown) => Promise<Response>;

/** Whether the form that was sent is on this page: it is answered by this page then. */
export const isFromStart = (request: Request): boolean => new URL(request.url).search === FROM_START;

export function startPage(deps: StartRoutesDeps): StartPage {
  return async (who, { said, step, credentials, invitation, status }) => {
    const shell = await deps.shell(who);
    const state = await deps.start.state(who.user.id);
    const groups = credentials ?? (await credentialGroups(deps, who));
    return page(
      who,
      <AdminStartPage
        shell={shell}
        steps={[...state].map(([name, isDone]) => ({ name, isDone }))}
        open={step ?? [...state].find(([, isDone]) => !isDone)?.[0]}
        credentials={groups.find(({ group }) => group === groupOf('LLM_API_KEY'))}
        link={deps.newLinks.take(who.credentialId)}
        invitation={invitation ?? { values: {}, errors: {} }}
        agent={firstToAsk(deps, shell)}
        isDismissed={await deps.start.isDismissed()}
        flash={flashOf(textOf(who).settings.said, said)}
      />,
      status,
    );
  };
}

/** An agent that can start, if possible one that uses the model that was just set. */
function firstToAsk({ backends }: StartRoutesDeps, { agents }: Shell): AgentView | undefined {
  const able = agents.filter(({ disabled, runner }) => !disabled && !runner.unavailable && !runner.image);
  const usesModel = ({ backend }: AgentView) => backends.find(backend)?.userOverridableEnv.includes('LLM_API_KEY');
  return able.find(usesModel) ?? able[0];
}

/** The pages of settings, but for the forms of this page. */
export function settingsFromStart(settings: SettingsPages, show: StartPage): SettingsPages {
  return {
    ...settings,
    page: (who, request, props, status) =>
      isFromStart(request) && who.user.role === 'admin'
        ? show(who, { step: 'model', credentials: props.credentials, status })
        : settings.page(who, request, props, status),
    back: (request, said, card) =>
      isFromStart(request) ? seeOther(request, `${START_PATH}?said=${said}`) : settings.back(request, said, card),
  };
}

export function startRoutes({ start }: Pick<StartRoutesDeps, 'start'>, show: StartPage, session: SessionPlugin) {
  return new Elysia({ name: 'start' })
    .use(session)
    .get(START_PATH, ({ who, query }) => show(who, { said: query.said, step: stepOf(query.step) }), {
      admin: true,
      query: t.Object({ said: t.Optional(t.String()), step: t.Optional(t.String()) }),
    })
    .post(
      '/admin/start/dismiss',
      async ({ request }) => {
        await start.dismiss();
        return seeOther(request, '/');
      },
      { admin: true },
    );
}

function stepOf(typed: string | undefined): StartStep | undefined {
  return START_STEPS.find((step) => step === typed);
}
