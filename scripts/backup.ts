/** `bun run backup`: makes a backup below BACKUP_ROOT and prints its folder. The router may run meanwhile. */
import { makeBackup } from '../router/backup/backup';
import { BackupError } from '../router/backup/backup-error';
import { environment, loadConfig } from '../router/config/config';
import { PROGRAM, readArguments, runCommand } from './command';
import { inheritance } from './owners';

async function run(): Promise<string> {
  const { config } = loadConfig(environment);
  using _made = inheritance(config);
  const folder = await makeBackup(config, config.backups.root);
  return `${folder}
Keys are not in it. Without the ENCRYPTION_KEY of this installation (in .env) nobody can read the stored credentials:
keep a copy of .env and of backends.json in another place than the backups.`;
}

readArguments({ usage: `Usage, while the router runs or not: ${PROGRAM} backup   makes a backup below BACKUP_ROOT` });
await runCommand(run, BackupError);
