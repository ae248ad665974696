/** Forms that were refused: what is wrong is shown beside what was typed. */
import type { FormState } from '../../views/models';
import { AppError } from '../lib/errors';

/** The refusal that a form can show. Throws anything else again: faults of the router go to the error page. */
export function refusalOf(error: unknown): AppError {
  if (error instanceof AppError && error.status < 500) return error;
  throw error;
}

/**
 * The form as it was sent, with what is wrong with it. A sentence above the fields only where no field says it. Throws
 * what is no refusal.
 */
export function refusedForm(
  values: Readonly<Record<string, string>>,
  error: unknown,
): { readonly form: FormState; readonly status: number } {
  const { fields, message, status } = refusalOf(error);
  return { form: { values: { ...values }, errors: { ...fields }, ...(!fields && { message }) }, status };
}
