/** Which files can be attached: pictures that models look at, and text. Their content decides, not their name. */
import { isText, pictureType } from '../lib/file-kinds';

/** The pictures that models accept (OpenAI's list) and browsers show. */
const TAKEN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
/** Bytes in which the size of a picture is looked for. */
const HEAD_BYTES = 262_144;
export const TEXT_TYPE = 'text/plain';
/** A picture elsewhere, which is never fetched: its name and its content are its address. */
export const LINK_TYPE = 'text/uri-list';
/** Characters of an address. */
const ADDRESS_LENGTH_MAX = 2_000;

interface AttachableKind {
  readonly type: string;
  /** Pixels of a picture, where they are known: pages keep its place while it loads. */
  readonly width: number | null;
  readonly height: number | null;
}

/** `undefined` for a file that cannot be attached. */
export function attachableKind(bytes: Uint8Array): AttachableKind | undefined {
  const picture = pictureType(bytes);
  if (picture !== undefined) return TAKEN.has(picture) ? { type: picture, ...sizeOf(bytes) } : undefined;
  return isText(bytes) ? { type: TEXT_TYPE, width: null, height: null } : undefined;
}

export function isPicture({ type }: { readonly type: string }): boolean {
  return type.startsWith('image/');
}

export function isLink({ type }: { readonly type: string }): boolean {
  return type === LINK_TYPE;
}

/** The address of a picture elsewhere as it is kept; `undefined` for what is no address of the web. */
export function pictureAddress(text: string): string | undefined {
  const url = text.length <= ADDRESS_LENGTH_MAX ? URL.parse(text) : null;
  return url && /^https?:$/.test(url.protocol) && url.href.length <= ADDRESS_LENGTH_MAX ? url.href : undefined;
}

/** The size after rotation: photographs of phones are stored sideways, with a mark that says so. */
function sizeOf(bytes: Uint8Array): Pick<AttachableKind, 'width' | 'height'> {
  try {
    // Loaded by the first picture. By `require`, because answers are read without a wait.
    const { imageSize } = require('image-size') as typeof import('image-size');
    const { width, height, orientation = 1 } = imageSize(bytes.subarray(0, HEAD_BYTES));
    return orientation > 4 ? { width: height, height: width } : { width, height };
  } catch {
    // Its beginning may not say it.
    return { width: null, height: null };
  }
}
