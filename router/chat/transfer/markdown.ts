/** A conversation as Markdown, for people. */

import type { TellingMessage } from '../api/whole-store';
import type { Attachment } from '../attachments/store';
import { picturesAsWords } from '../generations/answer-pictures';
import type { Step } from '../store/conversations';

/** Words of a file that people read. */
export interface TransferWords {
  readonly you: string;
  readonly untitled: string;
  readonly agentName: string;
  readonly thought: string;
  readonly used: string;
  readonly failed: string;
  readonly incomplete: Readonly<Record<NonNullable<TellingMessage['incomplete']>, string>>;
}

/** A message with its heading. */
export function messageMarkdown(message: TellingMessage, files: readonly Attachment[], words: TransferWords): string {
  const { role, content, failure, incomplete, createdAtMs } = message;
  const names = role === 'user' ? files.map((file) => `*${file.name}*`) : [];
  const did = (message.steps ?? []).map((step) => stepText(step, words));
  const end = failure?.message ?? (incomplete && words.incomplete[incomplete]);
  const said = [...names, ...did, picturesAsWords(content), end ? `*${end}*` : '']
    .filter((text) => text !== '')
    .join('\n\n');
  const name = role === 'user' ? words.you : words.agentName;
  return `\n## ${name} · ${new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${said}\n`;
}

/** A step in Markdown, folded where a reader knows `<details>`. */
function stepText(step: Step, words: TransferWords): string {
  const title = step.kind === 'thought' ? words.thought : `${words.used} ${plainName(step.name)}${failed(step, words)}`;
  const details =
    step.kind === 'thought' ? [step.text] : [step.arguments, step.result ?? ''].filter(Boolean).map(fenced);
  return ['<details>', `<summary>${title}</summary>`, '', details.join('\n\n'), '', '</details>'].join('\n');
}

function failed(step: Extract<Step, { kind: 'tool' }>, words: TransferWords): string {
  return step.isFailed ? ` (${words.failed})` : '';
}

function plainName(name: string): string {
  return name.replace(/[^\p{L}\p{N}_.:-]/gu, ' ');
}

/** A block of code whose fence is longer than any in it. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}
