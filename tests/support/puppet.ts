/**
 * A runner that forwards each request and answers with the bytes that come back. `PUPPET_URL` is the target; by default
 * its LLM, through the router's broker.
 */
const { HOST, PORT, PUPPET_URL, LLM_BASE_URL, LLM_API_KEY } = process.env;

Bun.serve({
  hostname: HOST ?? '127.0.0.1',
  port: Number(PORT),
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (request.method !== 'POST') return Response.json({ object: 'list', data: [] });
    const to = PUPPET_URL ? PUPPET_URL + pathname : (LLM_BASE_URL ?? '') + pathname.slice('/v1'.length);
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${LLM_API_KEY}` };
    const answer = await fetch(to, { method: 'POST', headers, body: await request.bytes(), signal: request.signal });
    const type = answer.headers.get('content-type') ?? 'application/json';
    return new Response(answer.body, { status: answer.status, headers: { 'content-type': type } });
  },
});
process.on('SIGTERM', () => process.exit(0));
