import type { ComponentChildren } from 'preact';
import { ScopeForm } from '../credentials/credentials';
import type { CredentialGroup } from '../credentials/models';
import { Share } from '../credentials/share';
import { Icon } from '../icons';
import { Field } from '../kit/field';
import { FlashNotice } from '../kit/notice';
import { AppLayout, TitleBar } from '../layout';
import type { AgentView, Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { InviteForm } from './invitations';

/** The query of forms of this page: what they do is answered by this page. */
export const FROM_START = '?from=start';

type StepName = 'model' | 'share' | 'invite' | 'answer';

interface StartProps {
  shell: Shell;
  /** The steps that this installation has, in their order. */
  steps: { name: StepName; isDone: boolean }[];
  open: StepName | undefined;
  /** The LLM; absent where no agent calls one. */
  credentials: CredentialGroup | undefined;
  /** An invitation that was just made, shown this one time. */
  link: { url: string; expiresAtMs: number } | undefined;
  invitation: FormState;
  /** Who is asked for the first answer; absent where none can start. */
  agent: AgentView | undefined;
  isDismissed: boolean;
  flash?: Flash | undefined;
}

/** The first ten minutes of an administrator, step by step. */
export function AdminStartPage(props: StartProps) {
  const { shell, steps, isDismissed, flash } = props;
  const t = useText().start;
  return (
    <AppLayout shell={shell} title={t.title}>
      <TitleBar>{t.title}</TitleBar>
      <div class="settings column">
        <FlashNotice flash={flash} id="flash" />
        <p>{steps.every(({ isDone }) => isDone) ? t.allDone : t.lead}</p>
        <ol class="start-steps">
          {steps.map(({ name, isDone }, index) => (
            <Step
              key={name}
              name={name}
              number={index + 1}
              isDone={isDone}
              isOpen={name === props.open}
              skipHref={nextHref(steps[index + 1]?.name)}
            >
              <StepBody name={name} {...props} />
            </Step>
          ))}
        </ol>
        {!isDismissed && (
          <form method="post" action="/admin/start/dismiss" class="row">
            <button type="submit" class="button">
              {t.dismiss}
            </button>
          </form>
        )}
      </div>
    </AppLayout>
  );
}

const nextHref = (next: StepName | undefined): string =>
  next === undefined ? '/' : `/admin/start?step=${next}#start-${next}`;

interface StepProps {
  name: StepName;
  number: number;
  isDone: boolean;
  isOpen: boolean;
  skipHref: string;
  children: ComponentChildren;
}

function Step({ name, number, isDone, isOpen, skipHref, children }: StepProps) {
  const t = useText().start;
  return (
    <li id={`start-${name}`} class="card">
      <details open={isOpen}>
        <summary>
          <span class="step-mark" data-done={isDone ? 'true' : undefined} aria-hidden="true">
            {isDone ? <Icon name="circle-check" /> : number}
          </span>
          <h2>{t.steps[name]}</h2>
          {isDone && <span class="badge">{t.done}</span>}
        </summary>
        <div class="step-body">
          {children}
          {!isDone && (
            <p>
              <a href={skipHref} aria-label={t.skipNamed(t.steps[name])}>
                {t.skip}
              </a>
            </p>
          )}
        </div>
      </details>
    </li>
  );
}

function StepBody({ name, credentials, link, invitation, agent }: StartProps & { name: StepName }) {
  const t = useText();
  if (name === 'invite') {
    return (
      <>
        <p class="quiet">{t.invitations.lead}</p>
        <InviteForm action={`/admin/invitations${FROM_START}`} link={link} form={invitation} />
      </>
    );
  }
  if (name === 'answer') return <FirstMessage agent={agent} />;
  const scope = credentials?.scopes.find((one) => one.scope === '');
  if (!credentials || !scope) return null;
  if (name === 'share')
    return credentials.share ? <Share {...credentials} share={credentials.share} query={FROM_START} /> : null;
  return (
    <>
      <p class="quiet">{t.start.modelLead}</p>
      <ScopeForm group={credentials.group} scope={scope} query={FROM_START} />
    </>
  );
}

function FirstMessage({ agent }: { agent: AgentView | undefined }) {
  const t = useText().start;
  if (!agent) {
    return (
      <p>
        {t.noAgent} <a href="/admin/backends">{t.backends}</a>
      </p>
    );
  }
  return (
    <form method="post" action={`/agents/${agent.agentId}/conversations`} class="scope-form">
      <p class="quiet">{t.answerLead(agent.name)}</p>
      <Field id="first-message" name="text" label={t.message} value={t.firstMessage} autocomplete="off" required />
      <div class="row">
        <button type="submit" class="button primary">
          {t.send}
        </button>
      </div>
    </form>
  );
}
