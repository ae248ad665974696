import type { Html } from '../markup';

/** Rendered Markdown for `dangerouslySetInnerHTML`, the one place where markup is not written as JSX. */
export function markup(html: Html): { __html: string } {
  return { __html: html };
}
