import { useText } from '../render';
import { Coded, MemberList, Type } from './members';
import type { BodyView, OperationView } from './models';

/** One operation. Its description is in English, as in the OpenAPI document. */
export function Operation({ operation }: { operation: OperationView }) {
  const t = useText().reference;
  const { id, method, path, summary, more, access, parameters, body, example } = operation;
  return (
    <section id={id} class="card operation" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`} lang="en">
        {summary}
      </h2>
      <p>
        <span class="method" data-method={method}>
          {method}
        </span>{' '}
        <code>{path}</code>
      </p>
      {more !== undefined && (
        <p lang="en">
          <Coded text={more} />
        </p>
      )}
      <p class="quiet">{t.access[access]}</p>
      {parameters.length > 0 && (
        <div>
          <h3>{t.parameters}</h3>
          <MemberList members={parameters} />
        </div>
      )}
      {body && <Body title={t.body} body={body} />}
      <Answers operation={operation} />
      <div>
        <h3>{t.example}</h3>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: without it a long line cannot be scrolled by keyboard */}
        <pre class="example" tabIndex={0}>
          <code>{example}</code>
        </pre>
      </div>
    </section>
  );
}

function Answers({ operation: { answers, status, refusals } }: { operation: OperationView }) {
  const t = useText().reference;
  return (
    <>
      {answers.length === 0 && (
        <div>
          <h3>{t.answer(status)}</h3>
          <p>{t.empty}</p>
        </div>
      )}
      {answers.map((body) => (
        <Body key={body.media} title={t.answer(status)} body={body} />
      ))}
      <div>
        <h3>{t.refusals}</h3>
        <dl class="members">
          {refusals.map(({ status: refused, reason }) => (
            <div key={refused}>
              <dt>
                <code>{refused}</code>
              </dt>
              <dd lang="en">{reason}</dd>
            </div>
          ))}
        </dl>
      </div>
    </>
  );
}

function Body({ title, body: { media, type, members } }: { title: string; body: BodyView }) {
  return (
    <div>
      <h3>
        {title} <code>{media}</code>
      </h3>
      {type.length > 0 && (
        <p>
          <Type words={type} />
        </p>
      )}
      <MemberList members={members} />
    </div>
  );
}
