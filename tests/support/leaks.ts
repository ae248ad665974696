/**
 * Searches a text for secrets, in every encoding in which one may be written by accident:
 *
 *     expect(leaksIn('the log', router.output(), [ALICES_KEY])).toEqual([]);
 */
import { Glob } from 'bun';

/** The plain text, hex, and base64 and base64url at each of the three possible offsets. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // Three bytes make four characters, so the characters at both edges also depend on the bytes beside the secret.
  const encoded = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
  const forUrls = encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = bytes.toString('hex');
  return [...new Set([secret, hex, hex.toUpperCase(), ...encoded, ...forUrls])];
}

/** Returns one line for each encoding of a secret that `content` contains, without the secret itself. */
export function leaksIn(place: string, content: string | Uint8Array, secrets: readonly string[]): readonly string[] {
  const bytes = Buffer.from(content as string);
  return secrets.flatMap((secret, index) =>
    formsOf(secret).flatMap((form, kind) => (bytes.includes(form) ? [`${place}: secret ${index}, form ${kind}`] : [])),
  );
}

/** Searches every file below a folder, and returns the number of files too. */
export async function leaksBelow(
  folder: string,
  secrets: readonly string[],
): Promise<{ readonly files: readonly string[]; readonly leaks: readonly string[] }> {
  const paths = new Glob('**/*').scan({ cwd: folder, dot: true, absolute: true, onlyFiles: true });
  const files = await Array.fromAsync(paths);
  const leaks = await Promise.all(files.map(async (path) => leaksIn(path, await Bun.file(path).bytes(), secrets)));
  return { files, leaks: leaks.flat() };
}
