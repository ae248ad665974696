/** The check of `bun run doctor` for variables that look like misspelt settings, which the router does not read. */
import type { Env } from '../../router/config/config';
import { settings } from '../../router/config/settings';
import { type Finding, note } from './finding';

/** Letters that are added, left out or replaced. Two letters that have changed places count as two. */
const DISTANCE_MAX = 2;

/** A note for each variable of `env` that is not a setting but looks like one. */
export function misspelt(env: Env): readonly Finding[] {
  const names = settings.map(([name]) => name);
  return Object.keys(env).flatMap((name) => {
    const meant = names.includes(name) ? undefined : names.find((one) => isNear(name, one));
    return meant === undefined
      ? []
      : note(`${name} is no setting, and is not read`, `write ${meant}, if that is meant`);
  });
}

/** The first letter must be right, because FTP_PROXY is not meant to be HTTP_PROXY. */
function isNear(name: string, setting: string): boolean {
  if (name[0] !== setting[0] || Math.abs(name.length - setting.length) > DISTANCE_MAX) return false;
  return distance(name, setting) <= DISTANCE_MAX;
}

/** Levenshtein's distance, row by row. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (const [at, other] of [...to].entries()) {
      const replaced = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
