import type { JSX } from 'preact';
import { Icon } from '../icons';
import { useText } from '../render';

/**
 * What a form needs that is saved whenever one of its fields changes, and says so in its `SavedPlace`. Without scripts it
 * has a button.
 */
export function savedOnChange(action: string) {
  return {
    ...{ method: 'post' as const, action, 'hx-post': action, 'hx-trigger': 'change' },
    ...{ 'hx-target': 'find .saved', 'hx-swap': 'innerHTML' as const },
  };
}

export function SavedPlace() {
  return <span class="saved" role="status" />;
}

/** The answer to such a form. */
export function Saved(): JSX.Element {
  const t = useText().saved;
  return (
    <>
      <Icon name="circle-check" />
      {t.done}
    </>
  );
}
