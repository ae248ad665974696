/** Imports the homes of agents: copies `users/<slug>/<backend>` of the first agent-stack to `homes/<agent id>`. */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { Entry } from '../../router/backends/schema';
import { isSecret } from '../../router/credentials/values';
import { hasCode } from '../../router/lib/system-errors';
import type { Importing } from './accounts';
import { ImportError } from './report';
import type { OldAgent } from './source';

/** Files of the first agent-stack that are made anew here: its instructions, and the skill of its callback. */
const MADE_ANEW = new Set(['AGENTS.md', 'skills/agent-stack-callback']);
/** Files into which the first agent-stack wrote the user's LLM key, and copies of them that a runtime makes. */
const WITH_KEY = /^(?:openclaw\.json.*|config\.yaml|config\.json|\.env)$/;
/** Written by the user or the agent, and replaced by the router at each start. */
const INSTRUCTIONS = 'workspace/AGENTS.md';
/** A larger file is copied without a search for keys: runtimes keep keys in settings and logs. */
const SEARCHED_BYTES_MAX = 67_108_864;

interface Copying extends Pick<Importing, 'report'> {
  /** The home that is copied, as `<slug>/<folder>`, for the report. */
  readonly label: string;
  /** Values that must not be in a home. */
  readonly keys: readonly Buffer[];
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Copies the homes of the agents. Follows no link: a link is copied as a link. Files that hold an LLM key stay behind. A
 * home that is there already is left as is; an interrupted copy leaves no home of that name.
 */
export function importHomes(
  importing: Importing,
  agents: readonly OldAgent[],
  { homesRoot, entries, isDryRun }: { homesRoot: string; entries: readonly Entry[]; isDryRun: boolean },
): void {
  const { source, report } = importing;
  const root = join(source.root, 'users');
  const slugs = new Map(source.users().map(({ id, slug }) => [id, slug]));
  const claimed = new Set<string>();
  const keys = keysOf(importing);
  for (const agent of agents) {
    const label = `${slugs.get(agent.user_id)}/${agent.backend}${agent.ordinal > 1 ? `-a${agent.ordinal}` : ''}`;
    claimed.add(label);
    const from = join(root, label);
    const to = join(homesRoot, agent.id);
    const there = lstatSync(from, { throwIfNoEntry: false });
    if (!there || existsSync(to)) continue;
    if (!there.isDirectory()) {
      report.note('Homes left out, because they are links, which are not followed', `users/${label}`);
      continue;
    }
    const owner = isDryRun
      ? undefined
      : ownerFor(
          entries.find(({ name }) => name === agent.backend),
          homesRoot,
        );
    const unfinished = join(homesRoot, `.import-${agent.id}`);
    if (!isDryRun) rmSync(unfinished, { recursive: true, force: true });
    readable(label, () => copyFolder(from, isDryRun ? undefined : unfinished, '', { report, label, keys, owner }));
    if (!isDryRun) renameSync(unfinished, to);
    report.count('homes');
  }
  noteUnclaimed(importing, root, claimed);
}

/** Homes belong to the users of their backends, whose files only root may read. */
function readable(label: string, copy: () => void): void {
  try {
    copy();
  } catch (cause) {
    if (!hasCode(cause, 'EACCES', 'EPERM')) throw cause;
    throw new ImportError(`The home users/${label} cannot be copied: ${cause.message}. Run the command as root.`, {
      cause,
    });
  }
}

/** Every secret that a user has set: also a shared one may be in the home of another user. */
function keysOf({ source }: Importing): readonly Buffer[] {
  const secrets = source.values().filter(({ env_var, value }) => isSecret(env_var) && value.length >= 8);
  return [...new Set(secrets.map(({ value }) => value))].map((value) => Buffer.from(value));
}

/** Files belong to the user that the backend names, else to the owner of the homes. Undefined where we may not set it. */
function ownerFor(entry: Entry | undefined, homesRoot: string): Copying['owner'] {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(homesRoot);
  const chosen = entry?.chown_uid;
  return chosen === undefined ? { uid, gid } : { uid: chosen, gid: entry?.chown_gid ?? chosen };
}

/** @param to undefined: nothing is written. */
function copyFolder(from: string, to: string | undefined, within: string, copying: Copying): void {
  if (to !== undefined) {
    mkdirSync(to, { mode: 0o700 });
    if (copying.owner) lchownSync(to, copying.owner.uid, copying.owner.gid);
  }
  for (const name of readdirSync(from)) {
    const path = within === '' ? name : `${within}/${name}`;
    if (MADE_ANEW.has(path)) continue;
    const entry = lstatSync(join(from, name), { throwIfNoEntry: false });
    if (!entry) copying.report.note('Left out of homes: names that are not UTF-8', `${copying.label}/${path}`);
    else if (entry.isDirectory()) copyFolder(join(from, name), to && join(to, name), path, copying);
    else {
      const newName = nameOf(path, copying);
      copyEntry(join(from, name), to && join(to, newName), { path, entry }, copying);
    }
  }
}

/** The name in the new home. Instructions that the router would replace are put aside. */
function nameOf(path: string, { report, label }: Copying): string {
  if (path !== INSTRUCTIONS) return basename(path);
  report.note('Instructions put aside, because the router writes this file', `${label}/${path} → AGENTS.imported.md`);
  return 'AGENTS.imported.md';
}

function copyEntry(
  from: string,
  to: string | undefined,
  { path, entry }: { path: string; entry: Stats },
  { report, label, keys, owner }: Copying,
): void {
  if (entry.isSymbolicLink()) {
    if (to !== undefined) symlinkSync(readlinkSync(from), to);
  } else if (!entry.isFile()) {
    report.note('Left out of homes: neither files nor folders', `${label}/${path}`);
    return;
  } else if (WITH_KEY.test(path) || hasKey(from, entry, keys)) {
    report.note('Left out of homes: files that hold, or held, an LLM key', `${label}/${path}`);
    return;
  } else if (to !== undefined) {
    copyFileSync(from, to);
    chmodSync(to, entry.mode & 0o700);
  }
  if (to !== undefined && owner) lchownSync(to, owner.uid, owner.gid);
}

function hasKey(path: string, { size }: Stats, keys: readonly Buffer[]): boolean {
  if (keys.length === 0 || size > SEARCHED_BYTES_MAX) return false;
  const bytes = readFileSync(path);
  return keys.some((key) => bytes.includes(key));
}

/** Tells about folders that belong to no agent: of deleted users and agents. */
function noteUnclaimed({ source, report, userIds }: Importing, root: string, claimed: ReadonlySet<string>): void {
  const imported = new Set(source.users().flatMap(({ id, slug }) => (userIds.has(id) ? [slug] : [])));
  const known = new Set(source.users().map(({ slug }) => slug));
  for (const slug of existsSync(root) ? readdirSync(root) : []) {
    if (known.has(slug) && !imported.has(slug)) continue;
    if (!lstatSync(join(root, slug)).isDirectory()) continue;
    for (const name of readdirSync(join(root, slug))) {
      if (!claimed.has(`${slug}/${name}`))
        report.note('Homes left out, because no agent has them', `users/${slug}/${name}`);
    }
  }
}
