/** Parts of pages that belong to higher subjects. `app.ts` provides them, so that no subject imports a higher one. */

import type { ProviderView, YouView } from '../../views/accounts/models';
import type { AgentView, Shell } from '../../views/models';
import type { SettingsPage } from '../../views/settings/page';
import { AppError } from '../lib/errors';
import type { Who } from './identify';

/** A new key of a user, to be shown this once. */
export interface CreatedKey {
  readonly name: string;
  readonly key: string;
}

/** The frame of a page outside of the chat: the sidebar and the signed-in user. `agentId` is the agent that it is about. */
export type ShellOf = (who: Who, agentId?: string) => Promise<Shell>;

/** The link that begins a sign-in through the OpenID Connect provider, with what the person was doing. */
export function providerLink(
  oidc: { readonly name: string } | undefined,
  doing: Readonly<Record<string, string | undefined>> = {},
): ProviderView | undefined {
  if (!oidc) return undefined;
  const asked = Object.entries(doing).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const query = new URLSearchParams(asked).toString();
  return { name: oidc.name, href: `/sign-in/oidc${query && `?${query}`}` };
}

/** The agent that a page is about. Throws `not_found` when its backend is no longer configured. */
export function agentIn({ agents }: Shell): AgentView {
  const agent = agents.find(({ current }) => current);
  if (!agent) throw new AppError('not_found', { message: 'The backend of this agent is no longer configured.' });
  return agent;
}

/** The parts of the settings page that are not stored: forms with errors, a new key. */
export type SettingsProps = Partial<Omit<Parameters<typeof SettingsPage>[0], 'you' | 'createdKey'>> & {
  readonly you?: Pick<YouView, 'forms'>;
};

export interface SettingsPages {
  page(who: Who, request: Request, props: SettingsProps, status?: number): Promise<Response>;
  /**
   * After a valid form: redirects to what its card on the page then says. @param said Name of the sentence that confirms the
   * change.
   */
  back(request: Request, said: string, card: string): Response;
  /** After a form that is saved whenever a field of it changes: says so in its place, or as `back` does. */
  saved(who: Who, request: Request, card: string): Response;
}
