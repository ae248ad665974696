/** Bodies of forms and of the router's own JSON: read within a limit before Elysia, which has none, reads them. */
import { Elysia } from 'elysia';
import type { Config } from '../../config/config';
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { isJsonObject, type JsonObject, parseBody } from '../../lib/json';
import type { Listener } from '../patience';
import { withBody } from './read';

/** Bytes. No form and no JSON of the router's own API is longer; a message has at most 200,000 characters. */
export const FORM_BYTES_MAX = 1_048_576;
/** Fields of a form. A form of the router has a field for each variable of a backend; real backends have far fewer. */
const FIELDS_MAX = 1_000;
/**
 * Work that a JSON body may cost, in the units of `parseJson`: the bodies of these routes are short lists of settings.
 */
const WORK_MAX = 50_000;

interface BodiesDeps {
  /** The memory for long bodies. It is shared out by network address, because the user is not known yet. */
  readonly held: Allowance;
  readonly config: Pick<Config, 'maxBodyBytes'>;
  readonly networkOf: (request: Request) => string;
  readonly listenerOf: () => Listener;
}

/** Reads the body of every route that is registered after it. Register routes with `parse: 'none'` before it. */
export function bodies({ held, config, networkOf, listenerOf }: BodiesDeps) {
  const maxBytes = Math.min(FORM_BYTES_MAX, config.maxBodyBytes);
  return new Elysia({ name: 'bodies' }).onParse({ as: 'global' }, async ({ request }, contentType) => {
    const limits = { held, holder: `network ${networkOf(request)}`, maxBytes };
    // Programs that send only JSON may leave its type out.
    const type = contentType ? String(contentType) : 'application/json';
    return withBody({ request, server: listenerOf() }, limits, (bytes) => parsedBody(bytes, type, request));
  });
}

/**
 * The members of a body. Never `undefined`, because Elysia would then read the body itself. Throws `invalid_request`.
 * @param type without parameters.
 */
export async function parsedBody(
  bytes: Uint8Array<ArrayBuffer>,
  type: string,
  request: Request,
): Promise<Readonly<Record<string, unknown>>> {
  if (bytes.length === 0) return {};
  if (/\bjson$/i.test(type)) return withoutNulls(parseBody(bytes, { workMax: WORK_MAX }));
  if (/^application\/x-www-form-urlencoded$/i.test(type)) {
    return fieldsOf(new URLSearchParams(formText(bytes)));
  }
  if (/^multipart\/form-data$/i.test(type)) {
    const headers = { 'content-type': request.headers.get('content-type') ?? type };
    return fieldsOf(await new Response(bytes, { headers }).formData());
  }
  throw new AppError('invalid_request', { message: 'The body could not be read. Send JSON, or a form.' });
}

/** Clients write `null` for a member that they leave out. */
function withoutNulls(value: JsonObject): JsonObject {
  const told = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(told.map(([name, member]) => [name, isJsonObject(member) ? withoutNulls(member) : member]));
}

/**
 * A name that occurs several times gets a list of its values. Browsers send each line break of a text as CR and LF, which nobody
 * has typed.
 */
function fieldsOf(form: FormData | URLSearchParams): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null);
  let count = 0;
  for (const [name, sent] of form) {
    count += 1;
    if (count > FIELDS_MAX) throw tooManyFields();
    const value = typeof sent === 'string' ? sent.replaceAll('\r\n', '\n') : sent;
    const before = fields[name];
    if (Array.isArray(before)) before.push(value);
    else fields[name] = before === undefined ? value : [before, value];
  }
  return fields;
}

/** Decodes a form's text, and refuses a text that may have too many fields. */
function formText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  let fields = 1;
  for (let at = text.indexOf('&'); at !== -1 && fields <= FIELDS_MAX; at = text.indexOf('&', at + 1)) fields += 1;
  if (fields > FIELDS_MAX) throw tooManyFields();
  return text;
}

function tooManyFields(): AppError {
  return new AppError('invalid_request', { message: `A form has at most ${FIELDS_MAX} fields.` });
}
