/** The one element htmx 4 adds to HTML: a piece of an answer that names the target it goes to. */
import type { ComponentChildren } from 'preact';

interface PartialAttributes {
  'hx-target': string;
  'hx-swap': 'outerHTML' | 'innerHTML' | 'outerMorph' | 'innerMorph' | 'afterbegin' | 'beforeend' | 'delete';
  children?: ComponentChildren;
  dangerouslySetInnerHTML?: { __html: string };
}

declare module 'preact' {
  namespace JSX {
    interface IntrinsicElements {
      'hx-partial': PartialAttributes;
    }
  }
}
