/** What a check of `bun run doctor` finds. */
export interface Finding {
  /** `note`: works, and is worth knowing. */
  readonly state: 'ok' | 'note' | 'problem';
  readonly text: string;
  /** What to type, or to change, about it. */
  readonly remedy?: string;
}

export interface Check<Subject> {
  readonly name: string;
  /** What is thrown is a problem. */
  run(subject: Subject): Promise<readonly Finding[]> | readonly Finding[];
}

export const ok = (text: string): readonly Finding[] => [{ state: 'ok', text }];
export const note = (text: string, remedy?: string): readonly Finding[] => [
  { state: 'note', text, ...(remedy !== undefined && { remedy }) },
];
export const problem = (text: string, remedy: string): readonly Finding[] => [{ state: 'problem', text, remedy }];

/** The finding of something that was thrown. Errors of drivers bring their own remedy. */
export function thrown(error: unknown): Finding {
  const text = error instanceof Error ? error.message : String(error);
  const { hint } = Object(error);
  return { state: 'problem', text, ...(typeof hint === 'string' && { remedy: hint }) };
}
