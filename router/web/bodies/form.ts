/** A form that may bring files, for a route that is registered before `bodies` and reads its body by itself. */
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { Listener } from '../patience';
import { FORM_BYTES_MAX, parsedBody } from './bodies';
import { withBody } from './read';

export interface SentForm {
  /** The texts of a field, in their order. */
  texts(name: string): readonly string[];
  /** The files of a field. Browsers send one without a name and bytes for none. */
  files(name: string): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]>;
}

interface FormLimits {
  readonly held: Allowance;
  readonly holder: string;
  readonly maxBytes: number;
  readonly listener: Listener;
}

/**
 * Reads a form, or JSON, within the memory for bodies, which it holds until `work` has ended. Without files it is as long
 * as other forms at most. Throws `too_large` and `invalid_request`.
 */
export async function withForm<T>(
  request: Request,
  { held, holder, maxBytes, listener }: FormLimits,
  work: (form: SentForm) => Promise<T>,
): Promise<T> {
  const type = request.headers.get('content-type') ?? 'application/json';
  const bringsFiles = /^\s*multipart\/form-data\b/i.test(type);
  const limits = { held, holder, maxBytes: bringsFiles ? maxBytes : Math.min(FORM_BYTES_MAX, maxBytes) };
  return withBody({ request, server: listener }, limits, async (bytes) => {
    const fields = await parsedBody(bytes, type.split(';')[0]?.trim() ?? '', request).catch(refuse);
    const valuesOf = (name: string) => [fields[name] ?? []].flat();
    return work({
      texts: (name) => valuesOf(name).filter((value) => typeof value === 'string'),
      files: (name) => {
        const files = valuesOf(name).filter((value): value is File => value instanceof File);
        // Bun gives a file without a name none at all.
        const sent = files.filter((file) => file.name || file.size > 0);
        return Promise.all(sent.map(async (file) => ({ name: file.name ?? '', bytes: await file.bytes() })));
      },
    });
  });
}

function refuse(cause: unknown): never {
  if (cause instanceof AppError) throw cause;
  throw new AppError('invalid_request', { message: 'The body could not be read. Send valid JSON, or a form.', cause });
}
