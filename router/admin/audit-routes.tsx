/** Administration → Audit: who did what, on a page, at `/api/admin/audit`, and as CSV. */
import { Elysia, t } from 'elysia';
import { AdminAuditPage } from '../../views/admin/audit';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { ShellOf } from '../accounts/present-pages';
import { AUDIT_ACTIONS, type AuditService } from '../audit/audit';
import type { AuditEvent, AuditFilter } from '../audit/store';
import { AppError } from '../lib/errors';
import { DAY_MS, unixSeconds } from '../lib/time';
import { csvResponse, type Line, wantsCsv } from '../usage/reports/csv';
import { page } from '../web/answers/respond';
import type { Incoming } from '../web/patience';
import type { OpenStreams } from '../web/streams/open-streams';

/** Events on one page, in one answer of the API, and in one piece of a CSV. */
const SHOWN_MAX = 50;
const LISTED_MAX = 500;
const CSV_HEADER = ['id', 'time', 'action', 'actor', 'actor_id', 'target', 'detail', 'address'];

const typed = t.Optional(t.String({ maxLength: 300 }));
const filterQuery = { action: typed, person: typed, from: typed, to: typed };
const query = t.Object({
  ...filterQuery,
  after: t.Optional(t.Integer({ minimum: 0 })),
  limit: t.Optional(t.Integer({ minimum: 1, maximum: LISTED_MAX })),
  format: typed,
});
type Query = typeof query.static;

interface AuditRoutesDeps {
  readonly audit: AuditService;
  readonly shell: ShellOf;
  readonly streams: OpenStreams;
}

export function auditRoutes(deps: AuditRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'audit' })
    .use(session)
    .get('/admin/audit', ({ who, query }) => auditPage(deps, who, query), { admin: true, query })
    .get(
      '/api/admin/audit',
      async ({ who, query, request, server }) => {
        if (wantsCsv(request)) return csv(deps, who, { request, server }, filterOf(query));
        const { after, limit = LISTED_MAX } = query;
        const { events, hasMore } = await deps.audit.page(filterOf(query), { after, limit });
        return { events: events.map(eventJson), has_more: hasMore };
      },
      { admin: true, query },
    );
}

/** Days are UTC days, and both ends are included. Throws `invalid_fields`. */
function filterOf({ action, person, from, to }: Query): AuditFilter {
  return {
    ...(action && { action }),
    ...(person && { person: person.trim().toLowerCase() }),
    ...(from && { fromMs: dayOf('from', from) }),
    ...(to && { untilMs: dayOf('to', to) + DAY_MS }),
  };
}

function dayOf(field: string, day: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new AppError('invalid_fields', { fields: { [field]: 'A day such as 2026-11-22' } });
  return ms;
}

/** Times are seconds since the epoch. */
function eventJson({ id, atMs, action, actor, actorId, target, detail, address }: AuditEvent) {
  return { id, at: unixSeconds(atMs), action, actor, actor_id: actorId, target, detail, address };
}

function csv(deps: AuditRoutesDeps, who: Who, incoming: Incoming, filter: AuditFilter): Response {
  return csvResponse({
    name: 'audit.csv',
    header: CSV_HEADER,
    pages: linesOf(deps.audit.all(filter, LISTED_MAX)),
    incoming,
    hold: (closable) => deps.streams.add({ userId: who.user.id, credentialId: who.credentialId }, closable),
  });
}

async function* linesOf(pages: AsyncIterable<readonly AuditEvent[]>): AsyncGenerator<readonly Line[]> {
  for await (const events of pages) {
    yield events.map(({ id, atMs, action, actor, actorId, target, detail, address }) => {
      return [id, new Date(atMs).toISOString(), action, actor, actorId, target, detail, address];
    });
  }
}

async function auditPage(deps: AuditRoutesDeps, who: Who, query: Query): Promise<Response> {
  const { events, hasMore } = await deps.audit.page(filterOf(query), { after: query.after, limit: SHOWN_MAX });
  const { action = '', person = '', from = '', to = '' } = query;
  const filter = { action, person, from, to };
  const asked = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== '')).toString();
  const last = events.at(-1);
  return page(
    who,
    <AdminAuditPage
      shell={await deps.shell(who)}
      events={[...events]}
      actions={[...AUDIT_ACTIONS]}
      filter={filter}
      csvHref={`/api/admin/audit?${asked && `${asked}&`}format=csv`}
      moreHref={hasMore && last ? `/admin/audit?${asked && `${asked}&`}after=${last.id}` : undefined}
      firstHref={query.after === undefined ? undefined : `/admin/audit?${asked}`}
    />,
  );
}
