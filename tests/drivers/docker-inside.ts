/** Runs in a container: tries what a curious agent would try, and reports the results. */
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';

const silentMs = 1_500;

/** `open`, the code of the error, or `silent`. */
function reach(address: string): Promise<string> {
  const [host = '', port] = address.split(':');
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host, port: Number(port), timeout: silentMs }, () => resolve('open'));
  socket.on('timeout', () => resolve('silent'));
  socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  return promise.finally(() => socket.destroy());
}

async function canWrite(path: string): Promise<string> {
  try {
    await (await open(path, constants.O_CREAT | constants.O_WRONLY)).close();
    return 'written';
  } catch (error) {
    return String(Object(error).code);
  }
}

/** Never ends: fills memory until it is killed. */
function hoard(): never {
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(4_194_304).fill(kept.length));
}

const { PORT, CONFORMANCE_PORT, HOST = '0.0.0.0' } = process.env;
Bun.serve({
  hostname: HOST,
  port: Number(PORT ?? CONFORMANCE_PORT),
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const value = searchParams.get('value') ?? '';
    if (pathname === '/reach') return new Response(await reach(value));
    if (pathname === '/read') return new Response(await readFile(value, 'utf8'));
    if (pathname === '/can-write') return new Response(await canWrite(value));
    if (pathname === '/uid') return new Response(String(process.getuid?.()));
    if (pathname === '/hoard') hoard();
    return new Response('not found', { status: 404 });
  },
});
