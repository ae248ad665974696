/** What the pages of an agent's files show, already looked up. */

export interface FileEntryView {
  readonly name: string;
  readonly kind: 'folder' | 'file' | 'other';
  readonly bytes: number;
  readonly changedAtMs: number;
}

/** A folder of the home; `path` is the way to it, of one name each. */
export interface FolderView {
  readonly path: readonly string[];
  readonly entries: readonly FileEntryView[];
  /** Entries that are not listed; undefined: too many to be read. */
  readonly more: number | undefined;
  /** Bytes of one upload at most. */
  readonly uploadBytesMax: number;
}

/** What a home weighs; `isWhole`: everything was counted. */
export interface SizeView {
  readonly bytes: number;
  readonly files: number;
  readonly isWhole: boolean;
}

/** One file. Without text and picture it can only be downloaded. */
export interface FileView {
  readonly path: readonly string[];
  readonly bytes: number;
  readonly changedAtMs: number;
  readonly text?: string;
  /** The text is only its beginning. */
  readonly isCut?: boolean;
  readonly isPicture?: boolean;
}
