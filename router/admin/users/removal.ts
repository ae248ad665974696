/**
 * Keeps users out and deletes them, with everything of theirs that is at work: answers, runners, homes. Usage stays, so
 * that what was spent stays in the reports.
 */
import type { UserLimitsService } from '../../accounts/users/limits';
import { requireNotAdmin, type UsersService } from '../../accounts/users/users';
import type { AgentsService } from '../../agents/agents';
import { deleteHome, homePath } from '../../agents/homes';
import type { AuditService } from '../../audit/audit';
import type { ConversationsService } from '../../chat/conversations';
import type { GenerationsService } from '../../chat/generations/generations';
import { AppError } from '../../lib/errors';
import { accountsLog } from '../../lib/log';
import type { RunnersService } from '../../runners/runners';
import type { RunnersStore } from '../../runners/store';
import type { BudgetsService } from '../../usage/budgets/budgets';

/** Users of one pass. */
const PURGED_AT_ONCE = 20;

export type RemovalService = ReturnType<typeof removalService>;

export function removalService(deps: {
  users: UsersService;
  agents: AgentsService;
  runners: RunnersService;
  runnerRows: Pick<RunnersStore, 'findByAgent'>;
  conversations: Pick<ConversationsService, 'deleteOfAgent'>;
  generations: GenerationsService;
  budgets: BudgetsService;
  userLimits: Pick<UserLimitsService, 'remove'>;
  audit: Pick<AuditService, 'record'>;
  homesRoot: string;
  /** For how long a deleted user is kept, in milliseconds; 0: not at all. */
  keptMs: number;
  now: () => number;
}) {
  const { users, agents, runners, runnerRows, conversations, generations, budgets } = deps;
  const { userLimits, audit, homesRoot, keptMs, now } = deps;

  /** Users who are being purged now. */
  const purging = new Map<string, Promise<void>>();

  /** Ends sessions, keys, streams, answers and runners of the user. Throws `not_found`, or `invalid_request` for the admin. */
  async function disable(userId: string): Promise<void> {
    await users.setDisabled(userId, true);
    await generations.stopOf({ userId });
    for (const { id } of await agents.listAll(userId)) {
      // The reaper tries again when its platform answers.
      await runners.stop(id, 'disabled').catch((error: unknown) => {
        accountsLog.warn({ user: userId, agent: id, err: error }, 'runner.left');
      });
    }
  }

  /**
   * Deletes a user for good. Throws `invalid_request` for the administrator, and `driver_unavailable` when a runner cannot be
   * stopped: the user is disabled then, and `purgeDue` tries again.
   */
  async function purge(userId: string): Promise<void> {
    requireNotAdmin(await users.get(userId), 'deleted');
    const begun = purging.get(userId);
    if (begun) return begun;
    const purged = purgeAll(userId).finally(() => purging.delete(userId));
    purging.set(userId, purged);
    return purged;
  }

  async function purgeAll(userId: string): Promise<void> {
    // First: from here on nobody restores the user.
    await users.keepDeleted(userId, now());
    await disable(userId);
    const theirs = await agents.listAll(userId);
    for (const { id } of theirs) {
      await runners.stop(id, 'deleted').catch((error: unknown) => {
        throw error instanceof AppError && error.code === 'driver_unavailable' ? runnerLeft() : error;
      });
      if (await runnerRows.findByAgent(id)) throw runnerLeft();
    }
    // After all are stopped: while one is left, the user has everything.
    for (const agent of theirs) {
      const { id } = agent;
      await runners.remove(id, async () => {
        await conversations.deleteOfAgent(id);
        return agents.delete(agent);
      });
      await deleteHome(homesRoot, id).catch((error: unknown) => {
        accountsLog.error({ user: userId, path: homePath(homesRoot, id), err: error }, 'home.left');
      });
    }
    for (const { budget, isOfEverybody } of budgets.statesOf(userId))
      if (!isOfEverybody) await budgets.remove(budget.subjectId);
    await userLimits.remove(userId);
    await users.delete(userId);
  }

  return {
    disable,

    enable: (userId: string) => users.setDisabled(userId, false),

    /** For how long a deleted user is kept, in milliseconds; 0: not at all. */
    keptMs,

    delete: purge,

    /**
     * Keeps a user out, with everything of theirs, and has them purged when `keptMs` are over. It may be repeated, as programs
     * do whose answer was lost: the user stays as long as before, and what a first attempt has left is ended. Throws what
     * `delete` throws.
     */
    async deleteLater(userId: string): Promise<void> {
      if (keptMs === 0) return purge(userId);
      const user = await users.get(userId);
      requireNotAdmin(user, 'deleted');
      // First: from here on nobody enables the user.
      if (user.purgeAtMs === null) await users.keepDeleted(userId, now() + keptMs);
      await disable(userId);
    },

    restore: users.restore,

    /** Purges deleted users whose time is over. One who cannot be purged now is tried again with the next call. */
    async purgeDue(): Promise<void> {
      for (const user of await users.duePurges(PURGED_AT_ONCE)) {
        if (purging.has(user.id)) continue;
        try {
          await purge(user.id);
          await audit.record({
            action: 'user.purged',
            actor: { email: 'agent-stack' },
            target: user.email,
            address: '',
          });
        } catch (error) {
          accountsLog.warn({ user: user.id, err: error }, 'user.not_purged');
        }
      }
    },
  };
}

function runnerLeft(): AppError {
  return new AppError('driver_unavailable', {
    message:
      'A runner of this user cannot be stopped, because its platform does not answer. The user is disabled, and deleted when it answers.',
  });
}
