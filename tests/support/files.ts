/** Files that tests attach to messages. */
import { deflateSync } from 'node:zlib';

/** A real PNG of one colour. Another shade is another content. */
export function png(width = 3, height = 2, shade = 120): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.from([0, ...Array(width).fill(shade)])));
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(Bun.hash.crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array())];
  return new Uint8Array(Buffer.concat(parts));
}

export function dataUri(bytes: Uint8Array, type = 'image/png'): string {
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** The form of the composer. */
export function messageForm(text: string, files: Readonly<Record<string, Uint8Array | string>>) {
  const body = new FormData();
  body.set('text', text);
  for (const [name, content] of Object.entries(files)) {
    body.append('files', new File([typeof content === 'string' ? content : new Uint8Array(content)], name));
  }
  return { method: 'POST', body };
}
