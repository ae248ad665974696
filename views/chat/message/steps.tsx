import { markup } from '../../kit/markdown';
import { noHtml } from '../../markup';
import { useText } from '../../render';
import type { StepView } from '../models';

/**
 * What an agent did for an answer, each step folded when it is over. The live stream changes steps one by one, so other
 * updates of the message leave them as they are.
 */
export function Steps({ messageId, steps }: { messageId: string; steps: readonly StepView[] }) {
  const t = useText();
  return (
    <ol id={`steps-${messageId}`} class="steps" aria-label={t.steps.list} hx-morph-skip-children="">
      {steps.map((step) => (
        <Step key={step.id} step={step} />
      ))}
    </ol>
  );
}

export function Step({ step }: { step: StepView }) {
  return (
    <li
      id={step.id}
      class={step.goesOn ? 'step growing' : 'step'}
      hidden={step.kind === 'thought' && !step.goesOn && step.isBlank}
    >
      {step.kind === 'thought' ? <Thought step={step} /> : <Tool step={step} />}
    </li>
  );
}

function Thought({ step }: { step: Extract<StepView, { kind: 'thought' }> }) {
  const t = useText();
  const summary = step.tookMs === undefined ? t.steps.thought : t.steps.thoughtFor(t.steps.duration(step.tookMs));
  return (
    <details open={step.goesOn}>
      <summary>{step.goesOn ? t.steps.thinks : summary}</summary>
      <div
        id={`${step.id}-text`}
        class="prose"
        hx-morph-skip-children=""
        dangerouslySetInnerHTML={markup(step.growing?.html ?? step.html ?? noHtml)}
      />
    </details>
  );
}

function Tool({ step }: { step: Extract<StepView, { kind: 'tool' }> }) {
  const t = useText();
  const { name, goesOn, result, tookMs } = step;
  const line = (
    <>
      {goesOn ? t.steps.uses : t.steps.used} <code dir="ltr">{name}</code>
      {tookMs !== undefined && <span class="quiet"> {t.steps.duration(tookMs)}</span>}
    </>
  );
  if (step.arguments === '' && result === undefined) return <p class="step-line">{line}</p>;
  return (
    <details>
      <summary>{line}</summary>
      {step.arguments !== '' && <Detail label={t.steps.input} text={step.arguments} />}
      {result !== undefined && <Detail label={t.steps.result} text={result} />}
    </details>
  );
}

function Detail({ label, text }: { label: string; text: string }) {
  return (
    <div class="step-detail">
      <p class="quiet">{label}</p>
      <pre dir="auto">{text}</pre>
    </div>
  );
}
