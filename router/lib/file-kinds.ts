/** What a file is, told from its bytes: a name or a declared type proves nothing. */
import { isUtf8 } from 'node:buffer';

/** Pictures that browsers show and that run nothing, by the bytes with which they begin. */
const PICTURES: readonly (readonly [type: string, begins: RegExp])[] = [
  ['image/png', /^\x89PNG\r\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF.{4}WEBP/s],
  ['image/avif', /^.{4}ftypavi[fs]/s],
];
/** Bytes by which pictures are known. */
const HEAD_BYTES = 32;

/** The media type of a picture that begins with these bytes; `undefined` for everything else. */
export function pictureType(begin: Uint8Array): string | undefined {
  const head = Buffer.from(begin.subarray(0, HEAD_BYTES)).toString('latin1');
  return PICTURES.find(([, begins]) => begins.test(head))?.[0];
}

/** Whether a whole file is text in UTF-8. */
export function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}
