import type { ComponentChildren } from 'preact';
import { Notice } from '../kit/notice';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { isOfUpstream } from './group';
import { CredentialInput } from './input';
import { type CredentialField, type CredentialSource, choicesMax, type TrialView } from './models';

interface CredentialFormProps {
  /** Unique in the page; the ids of the fields and of the test's result begin with it. */
  id: string;
  form: CredentialFormView;
  /** The path that keeps the values. With `/try` behind it, it tests them. */
  path: string;
  /** Query of both paths: it names the page that is answered with, if that is not the settings. */
  query?: string;
  /** The element that the answer of saving replaces; absent where it is another page. */
  replaces?: string;
  save: string;
  /** The accessible name of the button, if its words alone do not say what is saved. */
  saveName?: string;
  /** The scope that the values are for: a hidden field, or a choice. */
  scope: ComponentChildren;
  /** What else can be done, behind the buttons. */
  children?: ComponentChildren;
}

interface CredentialFormView {
  fields: readonly CredentialField[];
  /** The tier that the form sets. With it, each field says where its value comes from. */
  tier?: CredentialSource;
  error?: string;
  trial?: TrialView;
}

/** The form of credentials, wherever they are asked for: what is typed is tested in its place, chosen from and saved. */
export function CredentialForm(props: CredentialFormProps) {
  const { id, form, path, query = '', replaces, scope } = props;
  return (
    <>
      {form.error && (
        <Notice kind="bad" role="alert">
          <Sentence of={form.error} />
        </Notice>
      )}
      <form
        id={`${id}-form`}
        method="post"
        action={`${path}${query}`}
        autocomplete="off"
        {...(replaces !== undefined && {
          'hx-post': `${path}${query}`,
          'hx-target': replaces,
          'hx-swap': 'outerHTML',
          'hx-sync': 'this:drop',
        })}
      >
        {form.fields.map((field) => (
          <FormField key={field.name} id={id} field={field} tier={form.tier} />
        ))}
        {scope}
      </form>
      <Trial id={id} trial={form.trial} />
      <Buttons {...props} />
    </>
  );
}

function FormField({ id, field, tier }: { id: string; field: CredentialField; tier: CredentialSource | undefined }) {
  const words = useText().credentials.sources;
  const badge = tier && { badge: field.source === tier ? words.here : words[field.source] };
  return <CredentialInput id={`${id}-${field.name}`} field={field} {...badge} />;
}

function Buttons({ id, form, path, query = '', save, saveName, children }: CredentialFormProps) {
  const t = useText();
  return (
    <div class="row">
      {/* First in the order of the page, so that Enter saves. */}
      <button type="submit" form={`${id}-form`} class="button primary" aria-label={saveName}>
        {save}
      </button>
      {form.fields.some(({ name }) => isOfUpstream(name)) && (
        <button
          type="submit"
          form={`${id}-form`}
          class="button"
          formaction={`${path}/try${query}`}
          hx-post={`${path}/try${query}`}
          hx-target={`#${id}-trial`}
          hx-swap="outerHTML"
          hx-disable="this"
        >
          {t.credentials.try}
        </button>
      )}
      {children}
    </div>
  );
}

/** The result of a connection test. */
function Trial({ id, trial }: { id: string; trial: TrialView | undefined }) {
  const t = useText();
  return (
    <div id={`${id}-trial`} class="trial">
      {trial?.error !== undefined && (
        <Notice kind="bad" role="alert">
          <Sentence of={trial.error} />
        </Notice>
      )}
      {trial?.models && (
        <Notice kind="good" role="status">
          <p>{t.credentials.answers(trial.models.length, trial.models.length <= choicesMax)}</p>
          {trial.keyIsGone && <p>{t.credentials.keyIsGone}</p>}
        </Notice>
      )}
    </div>
  );
}

/**
 * The test's answer: replaces the result, and turns the model into a choice. Keeps the typed values, which the server
 * does not know.
 */
export function TrialParts({ id, form }: { id: string; form: CredentialFormView }) {
  const model = form.fields.find(({ choices }) => choices !== undefined);
  return (
    <>
      <Trial id={id} trial={form.trial} />
      {model && (
        <hx-partial hx-target={`#${id}-${model.name}-field`} hx-swap="outerHTML">
          <FormField id={id} field={model} tier={form.tier} />
        </hx-partial>
      )}
    </>
  );
}
