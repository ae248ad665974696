/** Describes errors of the file system of homes, for a failed start, for `/healthz` and for the doctor. */
import { codeOf } from '../lib/system-errors';
import type { Owner } from './safe-folder';

type Words = readonly [what: string, remedy: string];

const SILENT: Words = ['the disk of its home does not work', 'See what the system log (dmesg) says of the disk.'];
const CLOSED: Words = [
  'the router may not write to its home',
  'Give the data folder (STACK_DATA_ROOT) to the user that the router runs as; see whether files there are immutable (lsattr).',
];
const MANY: Words = ['too many files are open', "Raise the limit of open files of the router's process (ulimit -n)."];

/** Error code of the system → description and remedy. */
const WORDS: Readonly<Record<string, Words>> = {
  ENOSPC: [
    'the disk of its home is full',
    'Make room where STACK_DATA_ROOT is: df -h, and df -i for the number of files.',
  ],
  EDQUOT: ['the disk quota of its home is used up', "Raise the quota of the router's user, or make room."],
  EROFS: [
    'the disk of its home is read-only',
    'Mount the disk of STACK_DATA_ROOT for writing. The system log may say why it is not.',
  ],
  EACCES: CLOSED,
  EPERM: CLOSED,
  EMFILE: MANY,
  ENFILE: MANY,
  ENAMETOOLONG: [
    'a name or path in its home is too long',
    'Use shorter names in the seed, or a shorter STACK_DATA_ROOT.',
  ],
  EFBIG: ['a file in its home would be larger than allowed', 'Raise the limit of the file size (ulimit -f).'],
  EMLINK: [
    'a folder of its home holds too many folders',
    'Remove folders of agents that are gone from STACK_DATA_ROOT.',
  ],
  ENOENT: ['a folder of its home went away', 'See whether the disk of STACK_DATA_ROOT is mounted.'],
  ENOMEM: ['the machine has no memory left', 'Make room, or lower MAX_RUNNERS.'],
  EBUSY: ['its home is in use by the system', 'See what is mounted below STACK_DATA_ROOT.'],
  EIO: SILENT,
  ENXIO: SILENT,
  ENODEV: SILENT,
  ESTALE: SILENT,
  ENOTCONN: SILENT,
  ETIMEDOUT: SILENT,
  EHOSTDOWN: SILENT,
  EUCLEAN: SILENT,
};

/** A home that cannot be prepared. The message is a part of a sentence and contains no path; `hint` is a sentence. */
export class HomeError extends Error {
  override readonly name = 'HomeError';
  readonly hint: string;
  constructor([what, remedy]: Words, options?: ErrorOptions) {
    super(what, options);
    this.hint = remedy;
  }
}

/** Only root may change the owner of files, and in a container not to every user. */
export function ownerFault({ uid, gid }: Owner, cause: unknown): HomeError {
  const what = `the router cannot give its home to user ${uid}, group ${gid} (${codeOf(cause) || 'refused'})`;
  return new HomeError(
    [what, 'Run the router as root, or take "chown_uid" out of the backend and run it as the user of the router.'],
    { cause },
  );
}

/** Turns a system error into a `HomeError`; returns every other error unchanged. */
export function homeFault(error: unknown): unknown {
  const code = codeOf(error);
  if (!/^E[A-Z0-9]+$/.test(code) || error instanceof HomeError) return error;
  const other: Words = [`its home could not be made ready (${code})`, 'The log says what was refused.'];
  return new HomeError(WORDS[code] ?? other, { cause: error });
}
