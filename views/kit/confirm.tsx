import type { ComponentChildren } from 'preact';
import { useText } from '../render';

interface ConfirmProps {
  /** Unique in the page. */
  id: string;
  /** The control that opens the question, for example a small button or a menu item. */
  trigger: ComponentChildren;
  triggerClass: string;
  triggerLabel?: string;
  question: string;
  consequence: string;
  /** Path to post to, with hidden `fields`, after the confirmation; `label` is the text of the button. */
  action: string;
  label: string;
  fields?: Record<string, string>;
  /** Whether the action can be undone. */
  isHarmless?: boolean;
}

/** A control that asks before it deletes something or costs somebody money. A popover, so it works without scripts. */
export function Confirm(props: ConfirmProps) {
  const t = useText();
  return (
    <>
      <button type="button" class={props.triggerClass} popovertarget={props.id} aria-label={props.triggerLabel}>
        {props.trigger}
      </button>
      <div id={props.id} class="dialog" popover="auto" role="dialog" aria-labelledby={`${props.id}-question`}>
        <p id={`${props.id}-question`} class="dialog-title">
          {props.question}
        </p>
        <p>{props.consequence}</p>
        <form method="post" action={props.action} class="row end">
          {Object.entries(props.fields ?? {}).map(([name, value]) => (
            <input key={name} type="hidden" name={name} value={value} />
          ))}
          <button type="button" class="button" popovertarget={props.id} popovertargetaction="hide" autofocus>
            {t.confirm.cancel}
          </button>
          <button type="submit" class={props.isHarmless ? 'button primary' : 'button danger'}>
            {props.label}
          </button>
        </form>
      </div>
    </>
  );
}
