import type { ComponentChildren } from 'preact';
import { Mark } from '../icons';
import { Document } from '../layout';
import { useText } from '../render';
import type { GroupView, ReferenceView } from './models';
import { Coded, MemberList, Operation } from './operation';

/** The OpenAPI document. */
const DOCUMENT = 'openapi.json';

interface FrameProps {
  reference: ReferenceView;
  title: string;
  /** The part of the reference that is shown: the id of a group, or `objects`. */
  current?: string;
  children: ComponentChildren;
}

/** A page of the reference. Without the sidebar: it is for everybody, also without a sign-in. */
function Frame({ reference: { version, groups }, title, current, children }: FrameProps) {
  const text = useText();
  const t = text.reference;
  const links = [...groups.map(({ id, name }) => ({ id, name })), { id: 'objects', name: t.objects }];
  return (
    <Document title={title}>
      <main id="content" class="reference">
        <p class="brand">
          <Mark />
          <a href="/">{text.productName}</a> {version}
        </p>
        <nav class="settings-nav" aria-label={t.groups}>
          <a href="/docs" aria-current={current === undefined ? 'page' : undefined}>
            {t.title}
          </a>
          {links.map(({ id, name }) => (
            <a
              key={id}
              href={`/docs/${id}`}
              aria-current={current === id ? 'page' : undefined}
              lang={id === 'objects' ? undefined : 'en'}
            >
              {name}
            </a>
          ))}
        </nav>
        {children}
      </main>
    </Document>
  );
}

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
