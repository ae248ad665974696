/**
 * Answers: errors in three shapes, pages and parts, redirects. This file reads the request headers that choose between
 * them, so that routes need not.
 */
import { Elysia, ValidationError } from 'elysia';
import type { VNode } from 'preact';
import { ErrorPage } from '../../../views/error';
import { locales, type Text } from '../../../views/locales';
import type { Shell } from '../../../views/models';
import { renderPage, renderPart } from '../../../views/render';
import { AppError, toAppError } from '../../lib/errors';
import { newId } from '../../lib/ids';
import { httpLog } from '../../lib/log';
import { toOpenAiError } from '../../lib/openai-errors';
import { CLIENT_GONE } from '../../relay/relay';
import { isAstray } from '../base-url';
import { tooLarge } from '../bodies/read';
import type { Guard } from '../guard';
import type { Draining } from '../health/draining';
import { type Reader, readerOf, textOf } from '../reader';
import { assetUrl } from './assets';
import { DATA_HEADERS, dataHeaders, keptPageHeaders, PAGE_HEADERS } from './headers';
import { invalidFields } from './invalid-fields';

/** Whether the answer will be inserted into a page that is already loaded. */
export function isPartRequest(request: Request): boolean {
  return request.headers.get('hx-request') === 'true';
}

/** The address of the page that htmx asks for, where that is known. */
export function pageUrl(request: Request): URL | undefined {
  return URL.parse(request.headers.get('hx-current-url') ?? '') ?? undefined;
}

/** The path of the page that htmx asks for; empty where that is not known. */
export function pagePath(request: Request): string {
  return pageUrl(request)?.pathname ?? '';
}

/** A whole page, in the reader's language. */
export function page({ locale, formats, isEntry }: Reader, view: VNode, status = 200): Response {
  return html(renderPage(view, { assets: assetUrl, locale, formats, isEntry }), status);
}

/** One part or several, for htmx. */
export function part(reader: Reader, view: VNode, status = 200): Response {
  return html(partHtml(reader, view), status);
}

/** A part as text, for a stream. */
export function partHtml({ locale, formats }: Reader, view: VNode): string {
  return renderPart(view, { assets: assetUrl, locale, formats });
}

/** Another person's text as UTF-8 chunks; no browser shows it as a document. */
export function plainText(pieces: AsyncIterator<Uint8Array>): Response {
  return new Response(inPieces(pieces), { headers: dataHeaders('text/plain; charset=utf-8') });
}

/** A body that is made while the client reads it. */
function inPieces<Piece>(pieces: AsyncIterator<Piece>): ReadableStream<Piece> {
  return new ReadableStream<Piece>(
    {
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
}

function html(markup: string, status: number): Response {
  return new Response(markup, {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', ...PAGE_HEADERS },
  });
}

/** After a form: redirects to a page. htmx gets the instruction to load the page as a whole. */
export function seeOther(request: Request, to: string): Response {
  if (isPartRequest(request)) return new Response(null, { status: 204, headers: { 'hx-redirect': to } });
  return new Response(null, { status: 303, headers: { location: to } });
}

/**
 * After a form whose effect arrives by the live stream: an empty answer for htmx, a redirect to the page without it.
 */
export function done(request: Request, to: string): Response {
  return isPartRequest(request) ? new Response(null, { status: 204 }) : seeOther(request, to);
}

/** The sidebar of a page for the sender of a request, if it is a signed-in user. */
type ShellFor = (request: Request) => Promise<Shell | undefined>;

/** The frame of every request: the guard, the request id, the security headers, and error answers. */
export function responding(
  guard: Pick<Guard, 'check'>,
  maxBodyBytes: number,
  { draining, shellFor = async () => undefined }: { draining?: Pick<Draining, 'check'>; shellFor?: ShellFor } = {},
) {
  return new Elysia({ name: 'responding' })
    .onRequest(({ request, set }) => {
      // The id of this request in the log, in the response and in an error.
      set.headers = { 'x-request-id': `req-${newId()}`, ...DATA_HEADERS, ...keptPageHeaders(request) };
      guard.check(request);
      draining?.check(request);
      if (Number(request.headers.get('content-length')) > maxBodyBytes) throw tooLarge(maxBodyBytes);
    })
    .onError({ as: 'global' }, async ({ error, code, request, set }) => {
      const shown = fromElysia(code, error, request);
      const requestId = String(set.headers['x-request-id']);
      // Nobody reads the answer, and nothing has failed.
      if (request.signal.aborted && error === request.signal.reason) {
        httpLog.debug({ requestId }, 'request.left');
        return new Response(null, { status: CLIENT_GONE });
      }
      if (shown.status >= 500) {
        // A stop that somebody has asked for is no fault.
        const level = shown.code === 'shutting_down' ? 'info' : 'error';
        httpLog[level]({ requestId, code: shown.code, err: shown.cause ?? error }, 'request.failed');
      } else httpLog.debug({ requestId, code: shown.code }, 'request.refused');
      const response = await errorResponse(shown, request, { requestId, shellFor });
      for (const [name, value] of Object.entries(set.headers)) {
        if (typeof value === 'string' && !response.headers.has(name)) response.headers.set(name, value);
      }
      return response;
    });
}

/** Turns Elysia's own errors into ours, without their text, which repeats what was sent. */
function fromElysia(code: unknown, error: unknown, request: Request): AppError {
  if (error instanceof AppError) return error;
  if (code === 'NOT_FOUND') return new AppError('not_found');
  // An error that the router's body reader threw.
  if (code === 'PARSE' && error instanceof Error && error.cause instanceof AppError) return error.cause;
  if (code === 'PARSE')
    return new AppError('invalid_request', { message: 'The body could not be read. Send valid JSON, or a form.' });
  if (error instanceof ValidationError)
    return new AppError('invalid_fields', { fields: invalidFields(error, request) });
  return toAppError(error);
}

async function errorResponse(
  error: AppError,
  request: Request,
  { requestId, shellFor }: { requestId: string; shellFor: ShellFor },
): Promise<Response> {
  // With an invalid Host, the request has no valid URL.
  const { pathname, search } = URL.parse(request.url) ?? { pathname: '/', search: '' };
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.allow) headers.allow = error.allow.join(', ');
  const init = { status: error.status, headers };
  if (/^(\/upstream)?\/v1(\/|$)/.test(pathname) || (isAstray(pathname) && !wantsHtml(request))) {
    // OpenAI's clients obey this header over the status.
    if (error.isLasting) headers['x-should-retry'] = 'false';
    const body = toOpenAiError(error);
    // The predecessor's clients read `detail`. OpenAI's ignore it.
    const detail = !pathname.startsWith('/upstream') && { detail: body.error.message };
    return Response.json({ ...body, ...detail }, init);
  }
  if (!wantsHtml(request)) return problem(error, requestId, headers);
  if (error.code === 'signed_out' && request.method === 'GET' && !isPartRequest(request)) {
    return seeOther(request, `/sign-in?next=${encodeURIComponent(pathname + search)}`);
  }
  const reader = readerOf(request);
  const view = (
    <ErrorPage
      shell={isPartRequest(request) ? undefined : await shellFor(request)}
      isSignedOut={!request.headers.has('cookie')}
      status={error.status}
      title={titleOf(error, textOf(reader))}
      message={error.message}
      hint={error.hint}
      requestId={requestId}
    />
  );
  const response = page(reader, view, error.status);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

/** RFC 9457, in English (decision 0014). The predecessor's clients read `detail`. */
function problem(error: AppError, requestId: string, headers: Record<string, string>): Response {
  const body = {
    type: 'about:blank',
    title: titleOf(error, locales.en),
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(error.hint !== undefined && { hint: error.hint }),
    ...(error.fields && { fields: error.fields }),
    request_id: requestId,
  };
  return Response.json(body, {
    status: error.status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
  });
}

function titleOf(error: AppError, { error: { titles } }: Text): string {
  if (error.status >= 500) return titles.server;
  if (error.code === 'not_found') return titles.notFound;
  return error.code === 'forbidden' ? titles.forbidden : titles.refused;
}

/** Whether an answer is read by a person: a page, or a part of one. */
export function wantsHtml(request: Request): boolean {
  return isPartRequest(request) || (request.headers.get('accept') ?? '').includes('text/html');
}
