/** Compares what was said in an answer as it is stored with what its client has of it. */
import { withoutPictures } from './answer-pictures';
import { withoutThought } from './leading-thought';

/**
 * The words of an answer. A client also has the thought that a model sends in its text, and pictures as data, or beside
 * the text; the stored answer has neither, and the space around a picture may be another one.
 */
export function spoken(text: string): string {
  return withoutPictures(withoutThought(text)).replace(/\s+/g, ' ').trim();
}
