/** Reads the runner's output from the engine. */
import type { Engine } from './engine';

/**
 * The header before each piece of output: stream (1 byte), padding (3), length (4). See `attach` in the API reference
 * of the Docker engine.
 */
const headerBytes = 8;

/** Returns the last lines of both streams in the order in which they were written. Rejects with the engine's error. */
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
