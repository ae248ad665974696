import type { ComponentChildren } from 'preact';

/** A table that is wider than a phone scrolls in a box, which must be reachable by keyboard. */
export function TableBox({ labelledBy, children }: { labelledBy: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the box cannot be scrolled by keyboard
    <div class="table-box" role="group" aria-labelledby={labelledBy} tabIndex={0}>
      <table class="numbers">{children}</table>
    </div>
  );
}
