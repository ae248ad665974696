/** The variables in the texts of `backends.json` and of seeds. */

/** Replaces every `${name}` in `text` with the variable of that name; unknown names stay unchanged. */
export function fillIn(text: string, variables: Readonly<Record<string, string | undefined>>): string {
  return text.replace(/\$\{(\w+)\}/g, (whole, name: string) => variables[name] ?? whole);
}
