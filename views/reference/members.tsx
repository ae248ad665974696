import { useText } from '../render';
import type { MemberView, TypeWord } from './models';

/** Parameters, or the members of a body. */
export function MemberList({ members }: { members: MemberView[] }) {
  const t = useText().reference;
  if (members.length === 0) return null;
  return (
    <dl class="members">
      {members.map(({ name, type, isOptional, about }) => (
        <div key={name}>
          <dt>
            <code>{name}</code>
          </dt>
          <dd>
            <Type words={type} />
            {isOptional && <span class="quiet"> · {t.optional}</span>}
            {about !== undefined && (
              <span class="quiet" lang="en">
                {' '}
                · <Coded text={about} />
              </span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A type in words, with links to the objects in it. */
export function Type({ words }: { words: TypeWord[] }) {
  return (
    <>
      {words.map(({ text, object }, index) => (
        <>
          {index > 0 && ' '}
          {object === undefined ? text : <a href={`/docs/objects#${object}`}>{text}</a>}
        </>
      ))}
    </>
  );
}

/** A text in which code is between backquotes. */
export function Coded({ text }: { text: string }) {
  return <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part))}</>;
}
