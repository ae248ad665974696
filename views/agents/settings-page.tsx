import { Confirm } from '../kit/confirm';
import { DangerForm } from '../kit/danger-form';
import { Field, fieldOf } from '../kit/field';
import { FlashNotice, FormNotice } from '../kit/notice';
import { SelectField } from '../kit/select';
import { TextArea } from '../kit/text-area';
import type { AgentView, Flash, FormState, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { AgentSettingsView, AgentVariableView } from './models';
import { AgentPage } from './page';

/** Offered idle times in seconds; 0 means never. */
const IDLE_CHOICES = [300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 24 * 3600, 0];
const UNTOUCHED: FormState = { values: {}, errors: {} };

interface SettingsProps {
  shell: Shell;
  agent: AgentView;
  settings: AgentSettingsView;
  /** What the last form has done, in the card with this id. */
  said?: { card: string; flash: Flash } | undefined;
}

interface CardProps {
  path: string;
  settings: AgentSettingsView;
  flash: Flash | undefined;
}

/** Everything about one agent that its owner may change. */
export function AgentSettingsPage({ shell, agent, settings, said }: SettingsProps) {
  const path = `/agents/${agent.agentId}/settings`;
  const card = (id: string) => ({ path, settings, flash: said?.card === id ? said.flash : undefined });
  return (
    <AgentPage shell={shell} agent={agent} tab="settings">
      <GeneralCard {...card('general')} />
      {settings.instructions && <InstructionsCard {...card('instructions')} instructions={settings.instructions} />}
      {settings.variables.length > 0 && <VariablesCard {...card('variables')} />}
      <LimitsCard settings={settings} />
      <EndCard {...card('reset')} />
      <EndCard {...card('delete')} isDeletion />
    </AgentPage>
  );
}

function GeneralCard({ path, settings, flash }: CardProps) {
  const t = useText().agents;
  const n = useNumbers();
  const { model, idle } = settings;
  const form = settings.refused.general ?? {
    values: { name: settings.name, model: model?.own ?? '', idle: idle.own === null ? '' : String(idle.own) },
    errors: {},
  };
  const words = (seconds: number) => (seconds === 0 ? t.idleNever : n.duration(seconds * 1000));
  const offered = [
    ...new Set([...IDLE_CHOICES.filter((seconds) => seconds <= idle.max), ...(idle.own === null ? [] : [idle.own])]),
  ];
  return (
    <section id="general" class="card" aria-labelledby="general-title">
      <h2 id="general-title">{t.general}</h2>
      <p class="quiet">{t.kind(settings.kind)}</p>
      <FlashNotice flash={flash} id="general-flash" />
      <form method="post" action={path} class="scope-form">
        <FormNotice form={form} />
        <Field id="agent-name" {...fieldOf(form, 'name')} label={t.name} autocomplete="off" required />
        {model && (
          <Field
            id="agent-model"
            {...fieldOf(form, 'model')}
            label={t.model}
            placeholder={model.inherited}
            help={t.modelHelp(model.inherited)}
            autocomplete="off"
          />
        )}
        <SelectField
          id="agent-idle"
          {...fieldOf(form, 'idle')}
          label={t.idle}
          groups={[
            {
              options: [
                { value: '', label: t.idleInherited(words(idle.inherited)) },
                ...offered.map((seconds) => ({ value: String(seconds), label: words(seconds) })),
              ],
            },
          ]}
        />
        <div class="row">
          <button type="submit" class="button primary">
            {t.save}
          </button>
        </div>
      </form>
    </section>
  );
}

function InstructionsCard({
  path,
  settings,
  flash,
  instructions,
}: CardProps & { instructions: NonNullable<AgentSettingsView['instructions']> }) {
  const t = useText().agents;
  const { file, isOwn, text } = instructions;
  const form = settings.refused.instructions;
  return (
    <section id="instructions" class="card" aria-labelledby="instructions-title">
      <h2 id="instructions-title">{t.instructions}</h2>
      <p class="quiet">{isOwn ? t.instructionsOwn(file) : t.instructionsSeed(file)}</p>
      <FlashNotice flash={flash} id="instructions-flash" />
      <form id="instructions-form" method="post" action={`${path}/instructions`} class="scope-form">
        <TextArea
          id="agent-instructions"
          name="instructions"
          label={t.instructionsLabel}
          help={t.instructionsHelp}
          rows={12}
          value={form?.values.instructions ?? text}
          error={form?.errors.instructions}
        />
      </form>
      <div class="row">
        <button type="submit" form="instructions-form" class="button primary">
          {t.saveInstructions}
        </button>
        {isOwn && (
          <Confirm
            id="reset-instructions"
            triggerClass="button"
            trigger={t.instructionsBack}
            question={t.instructionsBackQuestion}
            consequence={t.instructionsBackConsequence}
            action={`${path}/instructions`}
            label={t.instructionsBack}
            fields={{ instructions: '' }}
          />
        )}
      </div>
    </section>
  );
}

function VariablesCard({ path, settings, flash }: CardProps) {
  const t = useText().agents;
  return (
    <section id="variables" class="card" aria-labelledby="variables-title">
      <h2 id="variables-title">{t.variables}</h2>
      <p class="quiet">{t.variablesLead}</p>
      <FlashNotice flash={flash} id="variables-flash" />
      {settings.variables.map((variable) => (
        <VariableForm key={variable.name} path={path} variable={variable} form={settings.refused[variable.name]} />
      ))}
    </section>
  );
}

function VariableForm({
  path,
  variable,
  form,
}: {
  path: string;
  variable: AgentVariableView;
  form: FormState | undefined;
}) {
  const t = useText().agents;
  const { name, isSecret, shown } = variable;
  return (
    <form method="post" action={`${path}/variables`} class="variable-form">
      <input type="hidden" name="name" value={name} />
      <Field
        id={`variable-${name}`}
        name="value"
        type={isSecret ? 'password' : 'text'}
        label={name}
        value={isSecret ? '' : (form?.values.value ?? shown)}
        placeholder={isSecret ? shown : undefined}
        error={form?.errors[name]}
        autocomplete="off"
      />
      <button type="submit" class="button" aria-label={t.saveNamed(name)}>
        {t.save}
      </button>
      {shown !== undefined && (
        <button type="submit" class="button quiet-button" name="remove" value="yes" aria-label={t.removeNamed(name)}>
          {t.remove}
        </button>
      )}
    </form>
  );
}

function LimitsCard({ settings }: { settings: AgentSettingsView }) {
  const t = useText().agents;
  const n = useNumbers();
  const { memoryBytes, cpus, pids, answerMs } = settings.limits;
  const rows: [string, string][] = [
    [t.limitMemory, memoryBytes === undefined ? t.noLimit : n.bytes(memoryBytes)],
    [t.limitCpus, cpus === undefined ? t.noLimit : n.count(cpus)],
    [t.limitPids, pids === undefined ? t.noLimit : n.count(pids)],
    [t.limitAnswer, n.duration(answerMs)],
  ];
  return (
    <section id="limits" class="card" aria-labelledby="limits-title">
      <h2 id="limits-title">{t.limits}</h2>
      <p class="quiet">{t.limitsLead}</p>
      <dl class="runner-facts wide">
        {rows.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Resetting the home, or deleting the agent: only by its name, typed. */
function EndCard({ path, settings, flash, isDeletion = false }: CardProps & { isDeletion?: boolean }) {
  const texts = useText().agents;
  const id = isDeletion ? 'delete' : 'reset';
  const t = texts.ends[id];
  const form = settings.refused[id] ?? UNTOUCHED;
  return (
    <section id={id} class="card" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{t.title}</h2>
      <p class="quiet">{t.lead}</p>
      <FlashNotice flash={flash} id={`${id}-flash`} />
      <DangerForm
        action={`${path}/${id}`}
        label={t.now}
        proof={{ id: `${id}-typed`, ...fieldOf(form, 'typed'), label: t.type(settings.name), autocomplete: 'off' }}
        form={form}
      />
    </section>
  );
}
