/**
 * Redacts the router's own keys, names and addresses from the refusals of runners. `output.ts` redacts keys from their output.
 * A runner has no key of an LLM API.
 */
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import type { CredentialsService } from '../credentials/credentials';
import { withoutKeys } from '../lib/ids';

/** A word that may be a name that a platform gave. */
const WORDS = /[\w.-]+/g;
/** Names in the form of `runnerName` and of a runner's host name. */
const NAME = /(?<!\w)(?:ar-[0-9a-f]{8}-[0-9a-f]{12}|agent-[0-9a-f]{12})(?!\w)/g;
/** The broker's URL, under any host name that a platform uses for it. */
const BROKER = /\bhttps?:\/\/[^\s"'\\/]+\/upstream\/v1\b/g;
const LOOPBACK =
  /(?:\bhttps?:\/\/)?(?:\b127(?:\.\d{1,3}){3}|\blocalhost|\[::1\]|\b0\.0\.0\.0|\bhost\.docker\.internal)(?::\d{1,5})?\b/g;

const SCHEME = /^https?:\/\//;

/**
 * Host and port of each URL that a user has set for an agent: its refusals may name them. What is shared is not among
 * them, because its addresses are the administrator's.
 */
export async function ownHosts(
  credentials: Pick<CredentialsService, 'resolve'>,
  agent: Agent,
  backend: Backend,
): Promise<ReadonlySet<string>> {
  const values = await credentials.resolve(agent, backend);
  const own = values.filter(({ source }) => source === 'backend' || source === 'global');
  return new Set(own.flatMap(({ value = '' }) => URL.parse(value)?.host || []));
}

/**
 * @param runnerUrl the address at which the router reaches the runner.
 * @param shown hosts with their ports that are shown although they are on this machine.
 */
export function withoutInsides(text: string, runnerUrl: string, shown: ReadonlySet<string> = new Set()): string {
  const { host, hostname } = new URL(runnerUrl);
  return (
    withoutKeys(text)
      .replace(BROKER, '[router]')
      .replaceAll(`http://${host}`, '[agent]')
      .replaceAll(host, '[agent]')
      .replace(LOOPBACK, (address) => (shown.has(address.replace(SCHEME, '')) ? address : '[address]'))
      // A loopback name is already replaced above, unless it is to be shown.
      .replaceAll(hostname.search(LOOPBACK) === -1 ? hostname : host, '[agent]')
      .replace(WORDS, withoutNames)
  );
}

/** A driver may put a prefix and a hyphen before a name: the prefix is removed as well. */
function withoutNames(word: string): string {
  if (!word.includes('ar-') && !word.includes('agent-')) return word;
  const plain = word.replace(NAME, '[agent]');
  const at = plain.lastIndexOf('-[agent]');
  return at === -1 ? plain : plain.slice(at + 1);
}
