import { useText } from '../render';
import { Frame } from './frame';
import { Coded, MemberList } from './members';
import type { GroupView, ReferenceView } from './models';
import { Operation } from './operation';

/** The OpenAPI document. */
const DOCUMENT = 'openapi.json';

/** All operations, each with the link to what it takes and answers. What is said of them is in English, as in the OpenAPI document. */
export function ReferencePage({ reference }: { reference: ReferenceView }) {
  const t = useText().reference;
  return (
    <Frame reference={reference} title={t.title}>
      <header>
        <h1>{t.title}</h1>
        <p>
          {t.lead} <a href={`/${DOCUMENT}`}>{DOCUMENT}</a>
        </p>
        <p class="quiet" lang="en">
          {reference.about}
        </p>
      </header>
      {reference.groups.map(({ id, name, operations }) => (
        <section key={id} aria-labelledby={`${id}-title`}>
          <h2 id={`${id}-title`} lang="en">
            {name}
          </h2>
          <ul class="operations">
            {operations.map((one) => (
              <li key={one.id}>
                <span class="method" data-method={one.method}>
                  {one.method}
                </span>
                <a href={`/docs/${id}#${one.id}`}>
                  <code>{one.path}</code>
                </a>
                <span class="quiet" lang="en">
                  {one.summary}
                </span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </Frame>
  );
}

/** The operations of one kind. */
export function ReferenceGroupPage({ reference, group }: { reference: ReferenceView; group: GroupView }) {
  const t = useText().reference;
  return (
    <Frame reference={reference} title={group.name} current={group.id}>
      <header>
        <h1 lang="en">{group.name}</h1>
        <p lang="en">
          <Coded text={group.about} />
        </p>
        <p class="quiet">{t.examples}</p>
      </header>
      {group.operations.map((operation) => (
        <Operation key={operation.id} operation={operation} />
      ))}
    </Frame>
  );
}

/** The objects that several operations take or answer. */
export function ReferenceObjectsPage({ reference }: { reference: ReferenceView }) {
  const t = useText().reference;
  return (
    <Frame reference={reference} title={t.objects} current="objects">
      <h1>{t.objects}</h1>
      {reference.objects.map(({ name, members }) => (
        <section key={name} id={name} class="card" aria-labelledby={`${name}-title`}>
          <h2 id={`${name}-title`}>{name}</h2>
          <MemberList members={members} />
        </section>
      ))}
    </Frame>
  );
}
