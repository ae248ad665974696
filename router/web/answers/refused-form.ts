/** Shows refused forms again, with the typed values and the problems. */
import type { FormState } from '../../../views/models';
import { AppError } from '../../lib/errors';

/** The refusal that a form can show. Throws anything else again: faults of the router go to the error page. */
export function refusalOf(error: unknown): AppError {
  if (error instanceof AppError && error.status < 500) return error;
  throw error;
}

/**
 * Returns the form as it was sent, with its problems. There is a sentence above the fields only if no field has a
 * problem. Throws errors that are no refusals.
 */
export function refusedForm(
  values: Readonly<Record<string, string>>,
  error: unknown,
): { readonly form: FormState; readonly status: number } {
  const { fields, message, status } = refusalOf(error);
  return { form: { values: { ...values }, errors: { ...fields }, ...(!fields && { message }) }, status };
}
