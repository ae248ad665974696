/** Says what came with a message: the router tells each file after a line with its name, type and size. */
import type { Content } from '../shared/openai';

interface GotFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
}

const LABEL = /\n\nFile "(.*)" \(([\w/+.-]+), (\d+) bytes\):/g;
const DATA_URI = /^data:([\w/+.-]+);base64,(.*)$/s;

/** Divides the text of a message from the files that are told in it. */
export function withoutFiles(text: string): { readonly asked: string; readonly files: readonly GotFile[] } {
  const labels = [...text.matchAll(LABEL)];
  const files = labels.map(([, name = '', type = '', bytes]) => ({ name, type, bytes: Number(bytes) }));
  return { asked: text.slice(0, labels[0]?.index ?? text.length), files };
}

/** The pictures of a client that tells no names. */
export function picturesIn(content: Content | null | undefined): readonly GotFile[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part) => {
    const [, type = '', data = ''] = DATA_URI.exec(String(part.image_url?.url ?? '')) ?? [];
    return data === '' ? [] : [{ name: 'a picture', type, bytes: Buffer.byteLength(data, 'base64') }];
  });
}

/** A list of them, as Markdown. */
export function listOf(files: readonly GotFile[]): string {
  const lines = files.map(({ name, type, bytes }) => `| \`${name.replaceAll('|', '\\|')}\` | ${type} | ${bytes} |`);
  return `I got ${files.length === 1 ? 'a file' : `${files.length} files`}:\n\n| Name | Type | Bytes |\n|---|---|--:|\n${lines.join('\n')}\n\n`;
}
