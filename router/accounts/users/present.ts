/** Presents users as the predecessor's API does. */
import { AppError } from '../../lib/errors';
import type { User } from './store';

/** A user, without secret members. */
export function userJson({ id, email, name, slug, role }: User) {
  return { id, email, name: name || null, slug, role };
}

/** The predecessor answered 400 with one sentence to fields that are not right. Throws the error. */
export function asPredecessor(error: unknown): never {
  if (error instanceof AppError && error.code === 'invalid_fields') {
    const [field, problem] = Object.entries(error.fields ?? {})[0] ?? [];
    throw new AppError('invalid_request', {
      message: `${field}: ${problem}`,
      ...(error.fields && { fields: error.fields }),
      cause: error,
    });
  }
  throw error;
}
