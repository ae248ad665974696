/**
 * Looks for secrets where none may be, in every form in which one is written down without meaning to:
 *
 *     expect(leaksIn('the log', router.output(), [ALICES_KEY])).toEqual([]);
 */
import { Glob } from 'bun';

/** As it is, as hex, and as base64 and base64url wherever in the encoded bytes it stands. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // Three bytes make four characters: those at the edges also depend on what stands beside the secret.
  const encoded = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
  const forUrls = encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = bytes.toString('hex');
  return [...new Set([secret, hex, hex.toUpperCase(), ...encoded, ...forUrls])];
}

/** One line for each form of a secret that is in `content`, without the secret itself. */
export function leaksIn(place: string, content: string | Uint8Array, secrets: readonly string[]): readonly string[] {
  const bytes = Buffer.from(content as string);
  return secrets.flatMap((secret, index) =>
    formsOf(secret).flatMap((form, kind) => (bytes.includes(form) ? [`${place}: secret ${index}, form ${kind}`] : [])),
  );
}

/** The same in every file below a folder, and how many there are. */
export async function leaksBelow(
  folder: string,
  secrets: readonly string[],
): Promise<{ readonly files: readonly string[]; readonly leaks: readonly string[] }> {
  const paths = new Glob('**/*').scan({ cwd: folder, dot: true, absolute: true, onlyFiles: true });
  const files = await Array.fromAsync(paths);
  const leaks = await Promise.all(files.map(async (path) => leaksIn(path, await Bun.file(path).bytes(), secrets)));
  return { files, leaks: leaks.flat() };
}
