/** The result of a check of `bun run doctor`. */
export interface Finding {
  /** `note`: it works, and the administrator should know it. */
  readonly state: 'ok' | 'note' | 'problem';
  readonly text: string;
  /** The command to run, or the setting to change. */
  readonly remedy?: string;
}

export interface Check<Subject> {
  readonly name: string;
  /** Runs a check. An error that it throws becomes a finding of level `problem`. */
  run(subject: Subject): Promise<readonly Finding[]> | readonly Finding[];
}

export const ok = (text: string): readonly Finding[] => [{ state: 'ok', text }];
export const note = (text: string, remedy?: string): readonly Finding[] => [
  { state: 'note', text, ...(remedy !== undefined && { remedy }) },
];
export const problem = (text: string, remedy: string): readonly Finding[] => [{ state: 'problem', text, remedy }];

/** Turns an error into a finding. Errors of drivers have their own remedy. */
export function thrown(error: unknown): Finding {
  const text = error instanceof Error ? error.message : String(error);
  const { hint } = Object(error);
  return { state: 'problem', text, ...(typeof hint === 'string' && { remedy: hint }) };
}
