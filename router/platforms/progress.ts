/** Reads what drivers say about the progress of a fetch or of a start. */
import type { StartProgress } from '../../drivers/driver';
import { withoutKeys } from '../lib/ids';
import { stringOf } from '../lib/json';
import { clip } from '../lib/text';

/** Characters of the words about one step. */
const WORDS_CHARS_MAX = 200;

/** The step with words that are short and without keys, and without a percent that is none. */
export function toldProgress({ stage, message, percent }: StartProgress): StartProgress {
  const isPercent = typeof percent === 'number' && percent >= 0 && percent <= 100;
  return { stage, message: clip(withoutKeys(stringOf(message)), WORDS_CHARS_MAX), ...(isPercent && { percent }) };
}
