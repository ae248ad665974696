/** The bodies of pages and of `/api`: read within their limit and taken apart, before a route sees them. */
import { Elysia } from 'elysia';
import { readBody } from '../accounts/sign-in-limits';
import { AppError } from '../lib/errors';
import { parseBody } from '../lib/json';

/** A form of ours has a field for each variable of a backend; a few hundred are far more than any has. */
const FIELDS_MAX = 1_000;
/** Of a JSON body, in the units of `parseJson`: those of these routes are lists of a few settings. */
const WORK_MAX = 50_000;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * For every route that comes after it. Elysia's own parsers read any amount, and take JSON apart that they find in the
 * fields of forms.
 */
export function bodies(maxBodyBytes: number) {
  return new Elysia({ name: 'bodies' }).onParse({ as: 'global' }, async ({ request }, contentType) => {
    const type = contentType.trim().toLowerCase();
    const bytes = await readBody(request, maxBodyBytes);
    if (bytes.length === 0) return {};
    if (/\bjson$/.test(type)) return parseBody(bytes, { workMax: WORK_MAX });
    if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(fieldsOf(bytes));
    if (type === 'multipart/form-data') return partsOf(bytes, request.headers.get('content-type') ?? type);
    throw new AppError('invalid_request', { message: 'The body could not be read. Send JSON, or a form.' });
  });
}

function fieldsOf(bytes: Uint8Array): URLSearchParams {
  const text = decoded(bytes);
  let fields = 1;
  for (let at = text.indexOf('&'); at !== -1 && fields <= FIELDS_MAX; at = text.indexOf('&', at + 1)) fields += 1;
  if (fields > FIELDS_MAX) throw tooManyFields();
  return new URLSearchParams(text);
}

/** The fields of text. Nothing here takes files. */
async function partsOf(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Record<string, string>> {
  const form = await new Response(bytes, { headers: { 'content-type': contentType } }).formData().catch((cause) => {
    throw new AppError('invalid_request', { message: 'The form could not be read.', cause });
  });
  const fields = [...form].flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
  if (fields.length > FIELDS_MAX) throw tooManyFields();
  return Object.fromEntries(fields);
}

function decoded(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new AppError('invalid_request', { message: 'The body is not valid UTF-8.', cause });
  }
}

function tooManyFields(): AppError {
  return new AppError('invalid_request', { message: `A form has at most ${FIELDS_MAX} fields.` });
}
