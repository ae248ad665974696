/** The floor: the simplest proxy on Bun. It checks nothing, stores nothing and refuses nothing. */
const target = `http://127.0.0.1:${process.env.TARGET_PORT}`;

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const { method, headers, signal } = request;
    const body = method === 'POST' ? { body: await request.bytes() } : {};
    return fetch(target + pathname, { method, headers, signal, ...body });
  },
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));
