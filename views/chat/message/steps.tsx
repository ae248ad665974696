import { markup } from '../../kit/markdown';
import { noHtml } from '../../markup';
import { useText } from '../../render';
import type { FoldView, StepView } from '../models';

interface StepsProps {
  messageId: string;
  steps: readonly StepView[];
  /** Absent where they are few. */
  fold?: FoldView | undefined;
}

/**
 * What an agent did for an answer, each step folded when it is over. The live stream changes steps one by one, so other
 * updates of the message leave them as they are.
 */
export function Steps({ messageId, steps, fold }: StepsProps) {
  const t = useText();
  return (
    <ol id={`steps-${messageId}`} class="steps" aria-label={t.steps.list} hx-morph-skip-children="">
      {fold && <Fold messageId={messageId} fold={fold} />}
      {steps.map((step) => (
        <Step key={step.id} step={step} />
      ))}
    </ol>
  );
}

/**
 * The line that stands for many steps. They are its neighbours and not inside of it, so that a step that is added while the
 * answer is written moves no other: styles/steps.css hides all but the newest until it is unfolded.
 */
export function Fold({ messageId, fold }: { messageId: string; fold: FoldView }) {
  return (
    <li class="steps-fold">
      <details>
        <summary id={`fold-${messageId}`}>
          <FoldLine fold={fold} />
        </summary>
      </details>
    </li>
  );
}

export function FoldLine({ fold: { tools, failed, isCut, tookMs, now } }: { fold: FoldView }) {
  const t = useText().steps;
  const goesOn = now && (
    <>
      {t.uses} <code dir="ltr">{now}</code>
    </>
  );
  return (
    <>
      {tools === undefined ? t.thought : tools > 0 ? t.usedTools(tools) : goesOn || t.thinks}
      {tookMs !== undefined && <span class="quiet"> · {t.duration(tookMs)}</span>}
      {failed > 0 && <span class="step-failed"> · {t.failedCount(failed)}</span>}
      {isCut && <span class="step-failed"> · {t.cut}</span>}
      {now !== undefined && tools !== 0 && <> · {goesOn || t.thinks}</>}
    </>
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
  const { name, goesOn, result, tookMs, wrong } = step;
  const line = (
    <>
      {goesOn ? t.steps.uses : t.steps.used} <code dir="ltr">{name}</code>
      {tookMs !== undefined && <span class="quiet"> {t.steps.duration(tookMs)}</span>}
      {wrong && <span class="step-failed"> · {t.steps[wrong]}</span>}
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
