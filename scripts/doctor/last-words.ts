/** Usual faults of agents, known by the lines that they print before they end. */
import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { callEngine } from '../../drivers/docker/engine';
import { tailOf } from '../../drivers/docker/logs';
import type { Examined } from './docker';
import { type Finding, note, ok } from './finding';

const ASK_MS = 15_000;
const TAIL_LINES = 200;
const DAY_MS = 86_400_000;
/** Failed answers that are read, the newest first. */
const FAILURES_MAX = 50;

interface Fault {
  readonly said: RegExp;
  readonly text: string;
  readonly remedy: string;
}

/** Lines of the runtimes of `docs/runtimes.md`, of the router and of the system. */
const FAULTS: readonly Fault[] = [
  {
    said: /ran out of memory|JavaScript heap out of memory|\bMemoryError\b/,
    text: 'it ran out of memory',
    remedy: 'raise "limits": {"memory": …} of the backend in backends.json',
  },
  {
    said: /Refusing to bind gateway to \w+ without auth/,
    text: 'it got no key for its own door',
    remedy: '"api_key_env": "OPENCLAW_GATEWAY_TOKEN" in the entry of backends.json',
  },
  {
    said: /Missing config\. Run `openclaw setup`/,
    text: 'it found no configuration in its home',
    remedy: '"seed_subdir": "openclaw-home" and "openclaw.json" in "templated_files" of the entry in backends.json',
  },
  {
    said: /Another Gateway owner lease is still active/,
    text: 'another container was killed while it used the home',
    remedy: 'stop the other container, or wait five minutes for its lease to end',
  },
  {
    said: /package lifecycle is incomplete/,
    text: 'its image was built without the install script of the package',
    remedy: 'in the image: node scripts/postinstall-bundled-plugins.mjs in the folder of openclaw',
  },
  {
    said: /API_SERVER_KEY is required/,
    text: 'it got no key for its API server',
    remedy: '"api_key_env": "API_SERVER_KEY" in the entry of backends.json',
  },
  {
    said: /chown: .*(?:Permission denied|Operation not permitted)|setpriv: .* failed/,
    text: 'it may not become the owner of its home',
    remedy: '"driver_options": {"cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]} in its entry',
  },
  {
    said: /Invalid configuration: \S+\/config\.json|Unknown setting\./,
    text: 'its configuration does not fit its version',
    remedy: 'use the image that backends.json of this release names, or change the config.json of its seed',
  },
  {
    said: /must not run as root: start it with --user (\d+:\d+)/,
    text: 'it refuses to run as root',
    remedy: '"user": "1000:1000" in its entry of backends.json',
  },
  {
    said: /is not writable for user (\d+)\. On the host: chown/,
    text: 'its home belongs to another user',
    remedy: '"chown_uid": 1000 in its entry of backends.json, with a router that may change owners',
  },
  {
    said: /exec format error/,
    text: 'its image is for another processor',
    remedy: 'docker pull --platform linux/$(uname -m) … or build the image on this machine',
  },
  {
    said: /No space left on device|ENOSPC/,
    text: 'the disk of its home is full',
    remedy: 'df -h; docker system prune',
  },
];

/** The faults that `text` shows, each once. */
export function faultsIn(text: string): readonly Finding[] {
  return FAULTS.filter(({ said }) => said.test(text)).flatMap(({ text: told, remedy }) => note(told, remedy));
}

/** Reads what the backend's runners print now, and why its answers of the last day failed. */
export async function lastWords(examined: Examined): Promise<readonly Finding[]> {
  const told = failuresOf(examined.config.databasePath, examined.backend.name);
  const words = [...(await printed(examined)), ...told].join('\n');
  const found = faultsIn(words);
  return found.length > 0 ? found : ok('no known fault in what its runners printed');
}

async function printed({ docker, services, backend }: Examined): Promise<readonly string[]> {
  const label = [`${services.installationLabel}=${services.installationId}`];
  const signal = AbortSignal.timeout(ASK_MS);
  const client = await docker();
  const found = await callEngine(signal, () => client.listContainers({ all: true, filters: { label } }));
  const own = found.filter(({ Image }) => Image === backend.image);
  const tails = await Promise.allSettled(own.map(({ Id }) => tailOf(docker, Id, TAIL_LINES, signal)));
  return tails.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}

/** A runner that fails to start is removed, and its last lines are in the failures of the answers that waited for it. */
export function failuresOf(databasePath: string, backend: string): readonly string[] {
  if (!existsSync(databasePath)) return [];
  using database = new Database(databasePath, { readonly: true });
  const rows = database
    .query<{ failure: string }, [string, number, number]>(
      `SELECT m.failure FROM agents a JOIN conversations c ON c.agent_id = a.id
       JOIN messages m ON m.conversation_id = c.id
       WHERE a.backend = ?1 AND m.status = 'failed' AND m.failure IS NOT NULL AND m.created_at_ms > ?2
       ORDER BY m.created_at_ms DESC LIMIT ?3`,
    )
    .all(backend, Date.now() - DAY_MS, FAILURES_MAX);
  return rows.map(({ failure }) => failure);
}
