/** The report of an import: how many rows of each kind were imported, and everything that was left out or changed. */

/** Thrown with a sentence for the person who typed the command. Nothing was changed. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/** Lines of one kind that are printed. Of further ones, only the number is printed. */
const LINES_MAX = 20;

export class Report {
  readonly #imported = new Map<string, number>();
  readonly #notes = new Map<string, string[]>();

  /** Counts rows as imported. `kind` is a plural noun. */
  count(kind: string, count = 1): void {
    this.#imported.set(kind, (this.#imported.get(kind) ?? 0) + count);
  }

  /** Tells about one thing that was left out, renamed or put aside. `kind` is a heading without a colon. */
  note(kind: string, line: string): void {
    const lines = this.#notes.get(kind);
    if (lines) lines.push(line);
    else this.#notes.set(kind, [line]);
  }

  toString(): string {
    const counts = [...this.#imported].map(([kind, count]) => `  ${String(count).padStart(7)}  ${kind}`);
    const notes = [...this.#notes].map(([kind, lines]) => {
      const more = lines.length > LINES_MAX ? [`    … and ${lines.length - LINES_MAX} more`] : [];
      return [`${kind} (${lines.length}):`, ...lines.slice(0, LINES_MAX).map((line) => `    ${line}`), ...more].join(
        '\n',
      );
    });
    return [counts.length > 0 ? counts.join('\n') : '  nothing new', ...notes].join('\n\n');
  }
}
