/** Redacts keys, names and addresses from the refusals of runners. */
import { RUNNER_KEYS } from '../lib/ids';

/** A word that may be a name that a platform gave. */
const WORDS = /[\w.-]+/g;
/** Names in the form of `runnerName` and of a runner's host name. */
const NAME = /(?<!\w)(?:ar-[0-9a-f]{8}-[0-9a-f]{12}|agent-[0-9a-f]{12})(?!\w)/g;
/** The broker's URL, under any host name that a platform uses for it. */
const BROKER = /\bhttps?:\/\/[^\s"'\\/]+\/upstream\/v1\b/g;
const LOOPBACK =
  /(?:\bhttps?:\/\/)?(?:\b127(?:\.\d{1,3}){3}|\blocalhost|\[::1\]|\b0\.0\.0\.0|\bhost\.docker\.internal)(?::\d{1,5})?\b/g;

/** Replaces keys, also where a runner has printed them. */
export function withoutKeys(text: string): string {
  return text.replace(RUNNER_KEYS, '[key]');
}

/** @param runnerUrl the address at which the router reaches the runner. */
export function withoutInsides(text: string, runnerUrl: string): string {
  const { host, hostname } = new URL(runnerUrl);
  return withoutKeys(text)
    .replace(BROKER, '[router]')
    .replaceAll(`http://${host}`, '[agent]')
    .replaceAll(host, '[agent]')
    .replace(LOOPBACK, '[address]')
    .replaceAll(hostname, '[agent]')
    .replace(WORDS, withoutNames);
}

/** A driver may put something of its own before a name, with a hyphen: that goes as well. */
function withoutNames(word: string): string {
  if (!word.includes('ar-') && !word.includes('agent-')) return word;
  const plain = word.replace(NAME, '[agent]');
  const at = plain.lastIndexOf('-[agent]');
  return at === -1 ? plain : plain.slice(at + 1);
}
