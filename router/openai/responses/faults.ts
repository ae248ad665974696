/** Validates requests to `/v1/responses`. Each fault names its member. */
import type { JsonBody } from '../../backends/shape';
import { AppError } from '../../lib/errors';

export function invalid(param: string, what: string): AppError {
  return new AppError('invalid_request', { message: `${param} ${what}`, param });
}

export function unsupported(param: string, value?: unknown, how = 'Leave it out.'): AppError {
  const named = value === undefined ? param : `${param} ${JSON.stringify(value).slice(0, 80)}`;
  const message = `This agent does not support ${named}: it is asked over its chat API. ${how}`;
  return new AppError('invalid_request', { message, param });
}

export function record(value: unknown): JsonBody | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonBody) : undefined;
}
