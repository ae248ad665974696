/**
 * For an administrator who cannot sign in, on the router's host and while the router is stopped:
 *
 *     bun run admin reset-password [e-mail]   a new password, by default for the administrator
 *     bun run admin hand-over <e-mail>        makes this user the administrator
 */
import { CommandError, handOver, resetPassword } from '../router/accounts/host-commands';
import { usersStore } from '../router/accounts/users/store';
import { auditService } from '../router/audit/audit';
import { auditStore } from '../router/audit/store';
import { environment, loadConfig } from '../router/config/config';
import { lockDatabase, openDatabase } from '../router/database/database';
import { PROGRAM, readArguments, requireDatabase, runCommand } from './command';
import { inheritance } from './owners';

const USAGE = `Usage, while the router is stopped:
  ${PROGRAM} admin reset-password [e-mail]   a new password, by default for the administrator
  ${PROGRAM} admin hand-over <e-mail>        makes this user the administrator`;

async function run([command, email]: readonly string[]): Promise<string> {
  const isKnown = command === 'reset-password' || (command === 'hand-over' && email !== undefined);
  if (!isKnown) throw new CommandError(USAGE);
  const { config } = loadConfig(environment);
  requireDatabase(config.databasePath);
  using _made = inheritance(config);
  using _lock = lockDatabase(config.databasePath);
  const database = openDatabase(config.databasePath, config.backups.root);
  try {
    const users = usersStore(database.db);
    const { auditRetentionDays: retentionDays } = config;
    const audit = auditService({ store: auditStore(database.db), retentionDays, now: Date.now });
    const onHost = { actor: { email: 'host' }, address: '' };
    if (command === 'reset-password') {
      const done = await resetPassword(users, email, config.passwordSignIn);
      await audit.record({ action: 'password.set', ...onHost, target: done.email });
      return `The password of ${done.email} is now: ${done.password}\nAll sessions of this user have ended.${
        done.isDisabled ? '\nThe account is disabled: enable it in Administration → Users.' : ''
      }`;
    }
    const { from, to } = await handOver(users, email ?? '');
    await audit.record({ action: 'role.handed_over', ...onHost, target: to });
    return `${to} is the administrator now${from === undefined ? '' : `, and ${from} a regular user`}.
Nothing is shared with everybody any more: share an LLM again in Settings → Model.`;
  } finally {
    database.close();
  }
}

const { args } = readArguments({ usage: USAGE, argumentsMax: 2 });
await runCommand(() => run(args), CommandError);
