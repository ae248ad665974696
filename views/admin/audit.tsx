import { Field } from '../kit/field';
import { Time } from '../kit/time';
import type { Shell } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { AdminPage } from './page';
import { PageLinks } from './page-links';

interface AuditEventView {
  id: number;
  atMs: number;
  action: string;
  actor: string;
  target: string;
  detail: string;
  address: string;
}

interface AuditProps {
  shell: Shell;
  events: AuditEventView[];
  /** Everything that is recorded. */
  actions: string[];
  /** The filter of the page; an empty text filters nothing. */
  filter: { action: string; person: string; from: string; to: string };
  csvHref: string;
  moreHref?: string | undefined;
  firstHref?: string | undefined;
}

/** Who did what to whom, when and from where. */
export function AdminAuditPage({ shell, events, actions, filter, csvHref, moreHref, firstHref }: AuditProps) {
  const t = useText();
  const nameOf = (action: string) => t.audit.actions[action as keyof typeof t.audit.actions] ?? action;
  const choices = [
    { value: '', label: t.audit.everything },
    ...actions.map((value) => ({ value, label: nameOf(value) })),
  ];
  return (
    <AdminPage shell={shell} tab="audit">
      <section id="audit" class="card" aria-labelledby="audit-title">
        <h2 id="audit-title">{t.audit.title}</h2>
        <p class="quiet">{t.audit.lead}</p>
        <search>
          <form method="get" action="/admin/audit" class="scope-form">
            <div class="field-row">
              <Field id="action" name="action" label={t.audit.action} value={filter.action} choices={choices} />
              <Field id="person" name="person" label={t.audit.person} value={filter.person} autocomplete="off" />
            </div>
            <div class="field-row">
              <Field id="from" name="from" type="date" label={t.usage.from} value={filter.from} />
              <Field id="to" name="to" type="date" label={t.usage.to} value={filter.to} />
            </div>
            <div class="row">
              <button type="submit" class="button">
                {t.audit.show}
              </button>
              <a href={csvHref} class="button" download>
                {t.audit.csv}
              </a>
            </div>
          </form>
        </search>
        {events.length === 0 ? (
          <p class="quiet">{t.audit.none}</p>
        ) : (
          <ul class="rows">
            {events.map((event) => (
              <AuditRow key={event.id} event={event} name={nameOf(event.action)} />
            ))}
          </ul>
        )}
        <PageLinks firstHref={firstHref} first={t.users.first} moreHref={moreHref} more={t.users.more} />
      </section>
    </AdminPage>
  );
}

/** Shows a recorded detail: a code in words, one of the router's sentences in the reader's language, anything else unchanged. */
function Detail({ of }: { of: string }) {
  const { codes } = useText().audit;
  return codes[of as keyof typeof codes] ?? <Sentence of={of} />;
}

function AuditRow({ event, name }: { event: AuditEventView; name: string }) {
  const { id, atMs, actor, target, detail, address } = event;
  return (
    <li id={`event-${id}`}>
      <div class="grow">
        <p class="row-title">
          <span>{name}</span>
          {target !== '' && target !== actor && (
            <span class="quiet verbatim" dir="auto">
              {target}
            </span>
          )}
        </p>
        <p class="quiet verbatim">
          {actor !== '' && `${actor} · `}
          <Time ms={atMs} />
          {address !== '' && ` · ${address}`}
        </p>
        {detail !== '' && (
          <p class="quiet verbatim">
            <Detail of={detail} />
          </p>
        )}
      </div>
    </li>
  );
}
