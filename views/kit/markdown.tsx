import { renderMarkdown } from '../markdown';
import { useText } from '../render';

/** Markdown as HTML for `dangerouslySetInnerHTML`, the one place where markup is not written as JSX. */
export function useMarkdown(): (text: string) => { __html: string } {
  const t = useText();
  return (text) => ({ __html: renderMarkdown(text, { copyCode: t.copy.code }) });
}
