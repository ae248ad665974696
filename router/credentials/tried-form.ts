/** The test of credentials that were typed into a form, which saves nothing. */
import type { Who } from '../accounts/identify';
import { AppError } from '../lib/errors';
import { isPartRequest } from '../web/answers/respond';
import type { CredentialsService } from './credentials';
import type { Refused } from './present';

export interface TrialDeps {
  readonly credentials: CredentialsService;
  /** Asks an upstream for the models that it has. */
  readonly upstreams: { listModels(upstream: UpstreamToTry, signal: AbortSignal): Promise<readonly string[]> };
}

type UpstreamToTry = Awaited<ReturnType<CredentialsService['upstreamToTry']>>;

/**
 * Tests what was typed for a scope: what is empty is what is stored. Returns the form with the result, and the status of the
 * answer, 422 where the upstream cannot be used.
 */
export async function triedForm(
  deps: TrialDeps,
  who: Who,
  request: Request,
  body: Readonly<Record<string, string>>,
): Promise<Refused> {
  const { scope = '', ...values } = body;
  const typed = { baseUrl: values.LLM_BASE_URL ?? '', apiKey: values.LLM_API_KEY ?? '' };
  const result = await resultOf(deps, { userId: who.user.id, scope, typed }, request.signal);
  const keyIsGone = !isPartRequest(request) && typed.apiKey !== '';
  return {
    typed: { scope, values, trial: { ...result, keyIsGone } },
    status: result.error === undefined ? 200 : 422,
  };
}

async function resultOf(
  { credentials, upstreams }: TrialDeps,
  { userId, scope, typed }: { userId: string; scope: string; typed: { baseUrl: string; apiKey: string } },
  signal: AbortSignal,
): Promise<{ models?: string[]; error?: string }> {
  try {
    const upstream = await credentials.upstreamToTry(userId, scope, typed);
    return { models: [...(await upstreams.listModels(upstream, signal))] };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'internal' || error.code === 'not_found') throw error;
    return { error: error.fields ? `${Object.values(error.fields).join('. ')}.` : error.message };
  }
}
