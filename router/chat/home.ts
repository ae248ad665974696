/** The page in front. */

import type { Who } from '../accounts/identify';
import type { Context } from '../context';
import { AppError } from '../lib/errors';
import { text } from '../web/respond';
import { isUsable } from './present';

/**
 * The path at which a user lands: the conversation they last changed, else a new one; with an agent that can answer, if
 * there is one. Throws `not_found` when there is no agent at all.
 */
export async function home(context: Context, who: Who): Promise<string> {
  await context.agents.ensureDefaults(who.user.id);
  const agents = await context.agents.list(who.user.id);
  const usable = agents.filter((agent) => isUsable(context, agent));
  const open = new Set((usable.length > 0 ? usable : agents).map(({ id }) => id));
  const latest = (await context.conversations.list(who.user.id)).find(({ agentId }) => open.has(agentId));
  if (latest) return `/conversations/${latest.id}`;
  const first = usable[0] ?? agents.find(({ backend }) => context.backends.find(backend)?.disabled === false);
  if (!first) throw new AppError('not_found', { message: text.sidebar.noAgents });
  return `/agents/${first.id}`;
}
