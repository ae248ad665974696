/** `bun run restore <folder>`: puts a backup in place where there is no data. The router must be stopped. */
import { resolve } from 'node:path';
import { restoreBackup } from '../router/backup/backup';
import { BackupError } from '../router/backup/backup-error';
import { environment, loadConfig } from '../router/config/config';
import { listBackups } from '../router/database/backup-folders';
import { PROGRAM, readArguments, runCommand } from './command';
import { inheritance } from './owners';

const USAGE = `Usage, while the router is stopped: ${PROGRAM} restore <folder of a backup>`;

async function run([folder]: readonly string[]): Promise<string> {
  const { config } = loadConfig(environment);
  if (folder === undefined) {
    const known = listBackups(config.backups.root).map(({ path }) => `\n  ${path}`);
    const list = known.length > 0 ? `There are:${known.join('')}` : `There is none in ${config.backups.root}.`;
    throw new BackupError(`${USAGE}\n${list}`);
  }
  using made = inheritance(config);
  const written = await restoreBackup(resolve(folder), config);
  for (const path of written) if (path !== config.databasePath) made.adopt(path);
  return `Restored: ${written.join(', ')}
Start the router with the ENCRYPTION_KEY with which the backup was made (in the .env of that time).`;
}

const { args } = readArguments({ usage: USAGE, argumentsMax: 1 });
await runCommand(() => run(args), BackupError);
