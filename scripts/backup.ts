/** `bun run backup`: makes a backup below BACKUP_ROOT and prints its folder. The router may run meanwhile. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBackup } from '../router/backup/backup';
import { BackupError } from '../router/backup/backup-error';
import { environment, loadConfig } from '../router/config/config';
import { inheritOwner, PROGRAM, readArguments, runCommand } from './command';

async function run(): Promise<string> {
  const { config } = loadConfig(environment);
  const isNew = !existsSync(config.backups.root);
  const folder = await makeBackup(config, config.backups.root);
  inheritOwner(
    ...(isNew ? [config.backups.root] : []),
    folder,
    ...readdirSync(folder).map((file) => join(folder, file)),
  );
  return `${folder}
Keys are not in it. Without the ENCRYPTION_KEY of this installation (in .env) nobody can read the stored credentials:
keep a copy of .env and of backends.json in another place than the backups.`;
}

readArguments({ usage: `Usage, while the router runs or not: ${PROGRAM} backup   makes a backup below BACKUP_ROOT` });
await runCommand(run, BackupError);
