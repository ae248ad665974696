/** `bun run backup`: makes a backup below BACKUP_ROOT and prints its folder. The router may run meanwhile. */
import { makeBackup } from '../router/backup/backup';
import { BackupError } from '../router/backup/backup-error';
import { ConfigError, environment, loadConfig } from '../router/config/config';
import { DatabaseError } from '../router/database/checks';

try {
  const { config } = loadConfig(environment);
  const path = await makeBackup(config, config.backups.root);
  process.stdout.write(`${path}
Keys are not in it. Without the ENCRYPTION_KEY of this installation (in .env) nobody can read the stored credentials:
keep a copy of .env and of backends.json in another place than the backups.
`);
} catch (error) {
  const isOurs = [BackupError, ConfigError, DatabaseError].some((one) => error instanceof one);
  process.stderr.write(`${isOurs && error instanceof Error ? error.message : Bun.inspect(error)}\n`);
  process.exit(1);
}
