/** The administrator's first steps: which are done, read from the database, and whether the page still leads to them. */
import type { InvitationsService } from '../../accounts/links/invitations';
import type { User } from '../../accounts/users/store';
import type { UsersService } from '../../accounts/users/users';
import { UPSTREAM_VARIABLES } from '../../backends/traits';
import type { ConversationsService } from '../../chat/conversations';
import type { CredentialsService } from '../../credentials/credentials';
import type { InstallationStore } from '../../database/installation-store';

export const START_STEPS = ['model', 'share', 'invite', 'answer'] as const;
export type StartStep = (typeof START_STEPS)[number];

export const START_PATH = '/admin/start';
/** Name of the fact that the administrator does not want to be led here any more. */
const DISMISSED = 'start_dismissed';

/** The steps that this installation has, in their order, each with whether it is done. */
type StartState = ReadonlyMap<StartStep, boolean>;

export type StartService = ReturnType<typeof startService>;

export function startService(deps: {
  readonly conversations: Pick<ConversationsService, 'list' | 'pinned'>;
  readonly credentials: Pick<CredentialsService, 'sharing' | 'variables'>;
  readonly installation: InstallationStore;
  readonly invitations: Pick<InvitationsService, 'list'>;
  readonly users: Pick<UsersService, 'page'>;
}) {
  const { conversations, credentials, installation, invitations, users } = deps;

  const hasConversations = async (userId: string) =>
    (await conversations.list(userId, { limit: 1 })).length > 0 || (await conversations.pinned(userId)).length > 0;
  const isDismissed = async () => (await installation.find(DISMISSED)) !== undefined;

  return {
    isDismissed,

    /** @param userId of the administrator. */
    async state(userId: string): Promise<StartState> {
      const known = credentials.variables();
      const needed = UPSTREAM_VARIABLES.filter((name) => known.includes(name));
      const { marked, present } = await credentials.sharing();
      const others = (await users.page({ limit: 2 })).users.length > 1 || (await invitations.list()).length > 0;
      const done: Record<StartStep, boolean> = {
        model: needed.every((name) => present.has(name)),
        share: needed.some((name) => marked.has(name)),
        invite: others,
        answer: await hasConversations(userId),
      };
      // Where no agent calls an LLM, there is none to set.
      const steps = START_STEPS.filter((step) => needed.length > 0 || (step !== 'model' && step !== 'share'));
      return new Map(steps.map((step) => [step, done[step]]));
    },

    /** Where a sign-in leads that was not on the way to a page: an administrator who has not begun yet is led here. */
    async landing(user: User): Promise<string> {
      if (user.role !== 'admin' || (await isDismissed()) || (await hasConversations(user.id))) return '/';
      return START_PATH;
    },

    /** For good; the page stays among those of the administration. */
    dismiss: () => installation.put({ [DISMISSED]: 'true' }),
  };
}
