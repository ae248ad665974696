/**
 * `bun run import <old data root> [--dry-run]`: takes the users, agents, conversations, credentials and homes of the first
 * agent-stack over into an installation of this one. Both routers must be stopped. The old data root is only read.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEntries } from '../router/backends/parse';
import { type Config, type Env, environment, loadConfig } from '../router/config/config';
import type { Secrets } from '../router/config/secrets';
import { lockDatabase, openDatabase } from '../router/database/database';
import { installationStore } from '../router/database/installation-store';
import { sealedStore } from '../router/database/sealed-store';
import { openVault } from '../router/database/sealing';
import { transaction } from '../router/database/transaction';
import { PROGRAM, readArguments, runCommand } from './command';
import { importAgents, importCredentials, importIdleTimes, importUsers } from './import/accounts';
import { importConversations } from './import/conversations';
import { importHomes } from './import/homes';
import { ImportError, Report } from './import/report';
import { openSource, type Source } from './import/source';
import { inheritance, writeNewFile } from './owners';
import { addSecrets, newSecret } from './setup';

const USAGE = `Usage, while both routers are stopped:
  ${PROGRAM} import <old data root> --dry-run   prints what would be imported and what would be left out
  ${PROGRAM} import <old data root>             imports it into STACK_DATA_ROOT`;

/** Runs the command and returns its report. Throws an `ImportError`, and changes nothing, when it is impossible. */
async function run(oldRoot: string | undefined, isDryRun: boolean, env: Env): Promise<string> {
  if (oldRoot === undefined) throw new ImportError(USAGE);
  const root = resolve(oldRoot);
  const { config, secrets } = loadConfig(withSecrets(env, isDryRun));
  if (root === resolve(config.dataRoot)) {
    throw new ImportError(`STACK_DATA_ROOT is the old data root. Set it to a new folder, for example ${root}-new.`);
  }
  using source = openSource(root);
  const report = new Report();
  if (isDryRun) await importIntoCopy(source, { config, secrets }, report);
  else {
    const { databasePath, homesRoot } = config;
    using made = inheritance(config);
    using _lock = lockDatabase(databasePath);
    // The owner of this folder is the owner of what is copied into it.
    mkdirSync(homesRoot, { recursive: true, mode: 0o700 });
    made.give();
    await importInto(databasePath, source, { config, secrets, isDryRun }, report);
  }
  const head = isDryRun ? 'This would be imported; nothing was changed:' : `Imported into ${config.dataRoot}:`;
  return `${head}\n\n${report}${isDryRun ? '' : afterwards(source)}`;
}

/** The first agent-stack had no ENCRYPTION_KEY. An import adds one to `.env`, as a start does; a dry run takes any, and writes none. */
function withSecrets(env: Env, isDryRun: boolean): Env {
  if (isDryRun) return { ...env, ENCRYPTION_KEY: env.ENCRYPTION_KEY?.trim() || newSecret() };
  return { ...env, ...addSecrets(process.cwd(), env) };
}

/** Runs the import against a copy of the database, which is thrown away. */
async function importIntoCopy(
  source: Source,
  settings: { config: Config; secrets: Secrets },
  report: Report,
): Promise<void> {
  const { databasePath } = settings.config;
  const folder = mkdtempSync(join(tmpdir(), 'agent-stack-import-'));
  try {
    const copy = join(folder, 'router.db');
    for (const suffix of ['', '-wal']) {
      if (existsSync(databasePath + suffix)) copyFileSync(databasePath + suffix, copy + suffix);
    }
    await importInto(copy, source, { ...settings, isDryRun: true }, report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function importInto(
  path: string,
  source: Source,
  { config, secrets, isDryRun }: { config: Config; secrets: Secrets; isDryRun: boolean },
  report: Report,
): Promise<void> {
  const { entries } = parseEntries(config.backendsPath, readFileSync(config.backendsPath, 'utf8'));
  const database = openDatabase(path, isDryRun ? undefined : config.backups.root);
  try {
    const { db } = database;
    const stores = { installation: installationStore(db), sealed: sealedStore(db) };
    const vault = await openVault(stores, secrets.encryptionKey, secrets.previousEncryptionKey);
    transaction(db, () => {
      const importing = { db, source, report, userIds: importUsers({ db, source, report }) };
      const agents = importAgents(importing);
      importIdleTimes(importing);
      importCredentials(importing, vault, entries);
      importConversations(importing, agents);
      // Within the transaction: an error in a home leaves the database as it was, and the next run begins anew.
      importHomes(importing, agents, { homesRoot: config.homesRoot, entries, isDryRun });
      if (importing.userIds.size > 0) keepRooms(source, roomsFile(config), isDryRun, report);
    });
  } finally {
    database.close();
  }
}

const roomsFile = ({ databasePath }: Config) => join(dirname(databasePath), 'imported-rooms.json');

/** Rooms have no place here: they are kept as JSON beside the database. */
function keepRooms(source: Source, path: string, isDryRun: boolean, report: Report): void {
  const rooms = source.rooms();
  if (rooms.length === 0) return;
  if (!isDryRun) writeNewFile(path, `${JSON.stringify(rooms, null, 2)}\n`);
  report.note(`Rooms, which do not exist here: kept in ${path}`, rooms.map(({ title }) => title).join(', '));
}

function afterwards(source: Source): string {
  const containers = source.runners().length;
  if (containers === 0) return '';
  return `\n\nThe old router's database names ${containers} ${containers === 1 ? 'container' : 'containers'}. Remove them with:
  docker rm -f $(docker ps -aq --filter label=managed-by=agent-stack-router)`;
}

const { args, flags } = readArguments({ usage: USAGE, argumentsMax: 1, flags: ['dry-run'] });
await runCommand(() => run(args[0], flags.has('dry-run'), environment), ImportError);
