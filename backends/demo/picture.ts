/** Draws a small picture, so that pictures in answers can be tried without a model that makes them. */
import { deflateSync } from 'node:zlib';

const WIDTH = 480;
const HEIGHT = 300;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
type Colour = readonly [red: number, green: number, blue: number];
const SKY: readonly [Colour, Colour] = [
  [28, 42, 88],
  [250, 176, 128],
];
const SUN: Colour = [255, 236, 190];
const HILLS: readonly Colour[] = [
  [112, 88, 134],
  [74, 66, 116],
  [40, 44, 84],
];

/** Hills before an evening sky, as a PNG in a data URI. */
export function drawPicture(): string {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  // 8 bits for each of three colours.
  header.set([8, 2, 0, 0, 0], 8);
  const png = [SIGNATURE, chunk('IHDR', header), chunk('IDAT', deflateSync(pixels())), chunk('IEND', Buffer.alloc(0))];
  return `data:image/png;base64,${Buffer.concat(png).toString('base64')}`;
}

/** The rows, each behind a byte that says that it is not filtered. */
function pixels(): Buffer {
  const row = WIDTH * 3 + 1;
  const data = Buffer.alloc(row * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) data.set(colourAt(x, y), y * row + 1 + x * 3);
  }
  return data;
}

function colourAt(x: number, y: number): Colour {
  const hill = HILLS.findLast((_, index) => y > edgeOf(index, x));
  if (hill) return hill;
  if (Math.hypot(x - WIDTH * 0.68, y - HEIGHT * 0.46) < 34) return SUN;
  const [above, below] = SKY;
  const share = y / HEIGHT;
  return above.map((value, index) => Math.round(value + ((below[index] ?? 0) - value) * share)) as unknown as Colour;
}

/** The height at which a row of hills begins. */
function edgeOf(index: number, x: number): number {
  const waves = Math.sin(x / (38 + index * 17) + index * 2.1) * 16 + Math.sin(x / 91 + index) * 20;
  return HEIGHT * (0.58 + index * 0.14) + waves;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(Bun.hash.crc32(body), body.length + 4);
  return frame;
}
