/** Bodies of forms and of the router's own JSON: read within a limit before Elysia, which knows none, can read them. */
import { Elysia } from 'elysia';
import { type Allowance, Share } from '../lib/allowance';
import { networkOf } from '../lib/network';
import { readBody } from './read-body';

/** No form and no JSON of the router's own API is longer; a message has at most 200,000 characters. */
const FORM_BYTES_MAX = 1_048_576;

interface Server {
  requestIP(request: Request): { address: string } | null;
}

/**
 * Reads the body of every route behind it. Routes that read their own, with `parse: 'none'`, belong before it.
 * @param held of what long bodies are held: an address has its share, as nobody is known yet.
 */
export function forms(held: Allowance, maxBodyBytes: number) {
  const maxBytes = Math.min(FORM_BYTES_MAX, maxBodyBytes);
  return new Elysia({ name: 'forms' }).onParse({ as: 'global' }, async ({ request, server }, contentType) => {
    const share = new Share(held, `network ${addressOf(request, server)}`);
    try {
      const bytes = await readBody(request, { maxBytes, share });
      return await parsed(bytes, String(contentType), request);
    } finally {
      share.end();
    }
  });
}

/** The network that a request comes from, as limits count it. */
export function addressOf(request: Request, server: Server | null): string {
  return networkOf(server?.requestIP(request)?.address ?? 'local');
}

/** Never `undefined`: Elysia would read the body itself. */
async function parsed(bytes: Uint8Array<ArrayBuffer>, type: string, request: Request): Promise<unknown> {
  if (/^application\/json$/i.test(type)) return JSON.parse(new TextDecoder().decode(bytes));
  if (/^application\/x-www-form-urlencoded$/i.test(type)) {
    return fieldsOf(new URLSearchParams(new TextDecoder().decode(bytes)));
  }
  if (/^multipart\/form-data$/i.test(type)) {
    const headers = { 'content-type': request.headers.get('content-type') ?? type };
    return fieldsOf(await new Response(bytes, { headers }).formData());
  }
  return null;
}

/** A name that comes several times has a list. */
function fieldsOf(form: FormData | URLSearchParams): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null);
  for (const [name, value] of form) {
    const before = fields[name];
    fields[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return fields;
}
