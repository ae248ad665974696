/**
 * An agent that does as its newest message says, each of which is something that no agent should do. Writes HTTP by
 * itself, as a library would not let it.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

/** However long somebody reads, an answer ends after so much. */
const BYTES_MAX = 64_000_000;
const EVENTS = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n';
const JSON_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n';
const DONE = 'data: [DONE]\n\n';

export const delta = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`;

/** Writes as fast as it is read. */
async function write(socket: Socket, piece: string | Uint8Array): Promise<boolean> {
  if (socket.destroyed) return false;
  if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
  return !socket.destroyed;
}

async function endless(socket: Socket, head: string, piece: string): Promise<void> {
  if (!(await write(socket, head))) return;
  for (let bytes = 0; bytes < BYTES_MAX; bytes += piece.length) if (!(await write(socket, piece))) return;
}

const say = (text: string) => (socket: Socket) => write(socket, EVENTS + delta(text) + DONE);

export const ANSWERS: Readonly<Record<string, (socket: Socket) => Promise<unknown>>> = {
  deltas: (socket) => endless(socket, EVENTS, delta('lorem ipsum dolor '.repeat(200))),
  'one paragraph': say('word '.repeat(1_600_000)),
  fence: say(`\`\`\`csharp\n${'a `'.repeat(10_200)}\n\`\`\``),
  links: say('http://a.b/'.repeat(36_000)),
  'one line': (socket) => endless(socket, `${EVENTS}data: `, 'x'.repeat(65_536)),
  calls: (socket) =>
    endless(
      socket,
      EVENTS,
      `data: ${JSON.stringify({ choices: [{ delta: { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: 'x'.repeat(4_000) } }] } }] })}\n\n`,
    ),
  json: (socket) => endless(socket, `${JSON_HEAD}{"choices":[{"message":{"content":"`, 'x'.repeat(65_536)),
  interims: (socket) => endless(socket, '', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(1_000)),
  refusal: (socket) =>
    write(
      socket,
      `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${'a.'.repeat(500_000)}`,
    ),
  'nested index': (socket) =>
    write(
      socket,
      `${EVENTS}data: {"output_index":${nested(200_000, '[', ']')},"type":"response.output_item.added"}\n\n`,
    ),
  'nested delta': (socket) =>
    write(socket, `${EVENTS}data: {"choices":[{"delta":{"content":"x","y":${nested(60_000, '[', ']')}}}]}\n\n${DONE}`),
  'nested answer': (socket) =>
    write(socket, `${JSON_HEAD}{"choices":[{"message":{"content":"x","y":${nested(60_000, '{"a":', '}')}}}]}`),
  bomb: (socket) =>
    write(
      socket,
      Buffer.concat([
        Buffer.from(
          'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n',
        ),
        gzipSync(Buffer.alloc(BYTES_MAX, 32)),
      ]),
    ),
};

/** @returns the port. */
export async function serveAttacks(port: number, host = '127.0.0.1'): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    let text = '';
    let isAnswered = false;
    socket.on('data', (bytes) => {
      if (isAnswered) return;
      text += bytes.toString('latin1');
      const [head = '', body] = text.split(/\r\n\r\n(.*)/s);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      if (body === undefined || body.length < length) return;
      isAnswered = true;
      const name = Object.keys(ANSWERS).findLast((one) => body.includes(`attack: ${one}"`));
      const answer = name === undefined ? undefined : ANSWERS[name];
      if (answer) void answer(socket).finally(() => socket.end());
      else socket.end(`${JSON_HEAD}{"data":[]}`);
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, close: () => server.close() };
}

if (import.meta.main) await serveAttacks(Number(process.env.PORT), process.env.HOST);
