/** Errors of the system, and of libraries that have codes like its, such as `ENOENT` and `SQLITE_FULL`. */

/** The code of an error; empty for one without. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code ?? '') : '';
}

export function hasCode(error: unknown, ...codes: readonly string[]): error is Error {
  return codes.includes(codeOf(error));
}
