/** The runner's output as the engine keeps it. */
import type { Engine } from './engine';

/** Stream (1 byte), padding (3), length (4): before each piece of output, as the engine's API documents `attach`. */
const headerBytes = 8;

/** The last lines of both streams in the order in which they were written. Rejects with the engine's error. */
export async function tailOf(docker: Engine, id: string, lines: number, signal: AbortSignal): Promise<string[]> {
  const output = await (await docker())
    .getContainer(id)
    .logs({ stdout: true, stderr: true, follow: false, tail: lines, abortSignal: signal });
  return demux(output)
    .toString('utf8')
    .replace(/\n$/, '')
    .split('\n')
    .slice(-lines)
    .filter((line, index, all) => line !== '' || all.length > 1 || index > 0);
}

function demux(output: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at + headerBytes <= output.length; ) {
    const end = at + headerBytes + output.readUInt32BE(at + 4);
    pieces.push(output.subarray(at + headerBytes, end));
    at = end;
  }
  return Buffer.concat(pieces);
}
