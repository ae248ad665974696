/** The events of the live stream of the administrator's pages: parts that take the place of those with the same id. */
import type { ComponentChildren } from 'preact';

/** A part that changed. Morphed, so that focus and open questions stay. */
export function LivePart({ id, children }: { id: string; children: ComponentChildren }) {
  return (
    <hx-partial hx-target={`#${id}`} hx-swap="outerMorph">
      {children}
    </hx-partial>
  );
}

/** Text that has come to the end of what an element has. */
export function LiveText({ id, text }: { id: string; text: string }) {
  return (
    <hx-partial hx-target={`#${id}`} hx-swap="beforeend">
      {text}
    </hx-partial>
  );
}
