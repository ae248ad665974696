/**
 * The reference of the API, for programs at `/openapi.json` and for people at `/docs`, also without a sign-in (decision
 * 0047). It is made when somebody asks for it first, and the same for everybody.
 */
import { setImmediate } from 'node:timers/promises';
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import { dataHeaders } from '../web/answers/headers';
import { page } from '../web/answers/respond';
import { type Reader, readerOf } from '../web/reader';
import { acceptsGzip } from '../web/streams/gzip';
import type { OpenApiDocument } from './document';
import type { Route } from './present-document';

interface ReferenceDeps {
  /** All routes of the listener. */
  readonly routes: () => readonly Route[];
  /** Name of the session's cookie. */
  readonly cookieName: string;
}

/** Pages are kept as they were made: each is the same for everybody with its language. */
export function referenceRoutes({ routes, cookieName }: ReferenceDeps) {
  let document: Promise<OpenApiDocument> | undefined;
  let json: { readonly text: string; readonly gzip: Uint8Array<ArrayBuffer> } | undefined;
  const pages = new Map<string, Response>();
  const made = () => {
    document ??= import('./present-document').then(({ openApiDocument }) => openApiDocument(routes(), cookieName));
    return document;
  };
  const shown = async (reader: Reader, part?: string): Promise<Response> => {
    const name = `${reader.locale} ${part ?? ''}`;
    const kept = pages.get(name);
    if (kept) return kept.clone();
    const document = await made();
    const { referencePage, referenceView } = await import('./present-page');
    // One step in each turn of the event loop: all of it would hold up everybody.
    await setImmediate();
    const reference = referenceView(reader, document);
    await setImmediate();
    const view = referencePage(reference, part);
    if (!view) throw new AppError('not_found');
    const fresh = page(reader, view);
    pages.set(name, fresh);
    return fresh.clone();
  };

  return new Elysia({ name: 'reference' })
    .get('/openapi.json', async ({ request }) => {
      if (!json) {
        const text = JSON.stringify(await made());
        json = { text, gzip: Bun.gzipSync(text) };
      }
      const headers = { ...dataHeaders('application/json; charset=utf-8'), vary: 'accept-encoding' };
      if (!acceptsGzip(request.headers)) return new Response(json.text, { headers });
      return new Response(json.gzip, { headers: { ...headers, 'content-encoding': 'gzip' } });
    })
    .get('/docs', ({ request }) => shown(readerOf(request)))
    .get('/docs/:part', ({ request, params }) => shown(readerOf(request), params.part));
}
