/** A command that a test runs to its end. */

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** @param env All that the command gets of an environment. */
export async function runCommand(
  command: readonly string[],
  { cwd, env }: { readonly cwd?: string; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<Ran> {
  const child = Bun.spawn([...command], { ...(cwd !== undefined && { cwd }), env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, errors };
}
