/** Slugs: names as parts of URLs and model ids, of lower-case letters, digits and "-". */

/** The slug of a name, of at most `lengthMax` characters. Empty for a name without a letter or digit of ASCII. */
export function slugOf(name: string, lengthMax?: number): string {
  return name
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, lengthMax)
    .replace(/^-|-$/g, '');
}

/** The first of `base`, `base-2`, `base-3`, … that is not taken. */
export function freeSlug(base: string, taken: ReadonlySet<string>): string {
  let slug = base;
  for (let number = 2; taken.has(slug); number += 1) slug = `${base}-${number}`;
  return slug;
}
