/** Makes a backend of an entry of `backends.json`. */
import type { Backend } from './backends';
import { fillIn } from './fill-in';
import { type Entry, limitsOf, timeoutsOf } from './schema';

/** @param folder that of the file. */
export function toBackend(
  { cmd, limits, timeouts, chown_uid: uid, chown_gid: gid = uid, ...entry }: Entry,
  folder: string,
): Backend {
  return Object.freeze({
    ...camelCased(entry),
    ...(uid !== undefined && gid !== undefined && { homeOwner: { uid, gid } }),
    displayName: entry.display_name ?? entry.name,
    command: cmd.map((part) => fillIn(part, { BACKENDS_DIR: folder })),
    limits: limitsOf(limits),
    timeouts: timeoutsOf(timeouts),
  });
}

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;
type CamelCased<T> = { [Name in keyof T as Camel<Name & string>]: T[Name] };

function camelCased<T extends object>(entry: T): CamelCased<T> {
  const rename = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [rename(name), value])) as CamelCased<T>;
}
