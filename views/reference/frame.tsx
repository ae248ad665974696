import type { ComponentChildren } from 'preact';
import { Mark } from '../icons';
import { Document } from '../layout';
import { useText } from '../render';
import type { ReferenceView } from './models';

interface FrameProps {
  reference: ReferenceView;
  title: string;
  /** The part of the reference that is shown: the id of a group, or `objects`. */
  current?: string;
  children: ComponentChildren;
}

/** A page of the reference. Without the sidebar: it is for everybody, also without a sign-in. */
export function Frame({ reference: { version, groups }, title, current, children }: FrameProps) {
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
