/** Turns the steps of an answer, and its calls of the client's tools, into view models. Decides nothing. */
import type { FoldView, StepView } from '../../../views/chat/models';
import { jsonObject } from '../../lib/json';
import { clip } from '../../lib/text';
import type { PageRendering } from '../../web/rendering/rendering';
import type { Step, ToolCall } from '../store/conversations';
import type { ShownMessage } from '../store/shown';

/** OpenAI allows 64. */
const NAME_LENGTH_MAX = 128;
/** Characters of a call's arguments, and of its result, that are shown. */
const DETAIL_LENGTH_MAX = 8_192;
/** Calls that are shown for one answer. */
const CALLS_MAX = 20;
/** Steps that are shown one by one. More are folded into a line, below which a page shows the newest three while they come. */
export const UNFOLDED_MAX = 4;

/** The results of tools by the id of their call. */
export type Results = ReadonlyMap<string, string>;

/** The id of a step's element, and of the growing text of a thought for the renderer. */
export function stepId(messageId: string, place: number): string {
  return `step-${messageId}-${place}`;
}

interface AboutStep {
  readonly messageId: string;
  readonly place: number;
  /** Whether the answer has ended. */
  readonly isEnd: boolean;
  /** The page has the text of the thought. */
  readonly isThere?: boolean;
}

export async function stepView(rendering: PageRendering, step: Step, about: AboutStep): Promise<StepView> {
  const id = stepId(about.messageId, about.place);
  if (step.kind === 'tool') {
    const wrong = step.isFailed ? 'failed' : undefined;
    return toolView(id, { ...step, wrong, goesOn: !isOver(step) && !about.isEnd });
  }
  const { text, tookMs } = step;
  const goesOn = tookMs === undefined && !about.isEnd;
  const said = goesOn ? { growing: await rendering.growing(id, text) } : { html: await rendering.whole(text) };
  return {
    ...{ kind: 'thought', id, length: text.length, goesOn },
    ...(text.trim() === '' && { isBlank: true }),
    ...(tookMs !== undefined && { tookMs }),
    ...(!about.isThere && said),
  };
}

/** The steps of a message, in order. */
export async function stepViews(
  rendering: PageRendering,
  steps: readonly Step[],
  message: Pick<ShownMessage, 'id' | 'status'>,
): Promise<StepView[]> {
  const views: StepView[] = [];
  const about = { messageId: message.id, isEnd: message.status !== 'streaming' };
  for (const [place, step] of steps.entries()) views.push(await stepView(rendering, step, { ...about, place }));
  return views;
}

export function isOver(step: Step): boolean {
  return step.kind === 'thought' ? step.tookMs !== undefined : step.isEnded === true;
}

/** Of the answer that steps belong to: whether it has ended, and has said something. */
export interface SaidAndDone {
  readonly isEnd: boolean;
  readonly hasText: boolean;
}

/** The line for steps that are too many to be shown one by one. It names what goes on where the steps are hidden meanwhile. */
export function foldView(steps: readonly Step[], { isEnd, hasText }: SaidAndDone): FoldView | undefined {
  if (steps.length <= UNFOLDED_MAX) return undefined;
  const over = isEnd ? steps : steps.filter(isOver);
  const times = over.flatMap(({ tookMs }) => tookMs ?? []);
  const now = hasText && !isEnd ? steps.findLast((step) => !isOver(step)) : undefined;
  return {
    tools: over.filter(({ kind }) => kind === 'tool').length,
    failed: over.filter((step) => step.kind === 'tool' && step.isFailed).length,
    ...(times.length > 0 && { tookMs: times.reduce((sum, ms) => sum + ms, 0) }),
    ...(now && { now: now.kind === 'tool' ? clip(now.name, NAME_LENGTH_MAX) : '' }),
  };
}

/** The same for calls of the client's tools. */
export function callsFoldView(calls: readonly ToolCall[]): FoldView | undefined {
  return foldView(
    calls.map((call) => ({ ...call, kind: 'tool' })),
    { isEnd: true, hasText: false },
  );
}

/**
 * Calls of the client's tools, with the results that the client brought back. Of an answer that the limit of tokens cut, the last
 * call may be a part of one.
 */
export function callViews(
  { id: messageId, incomplete }: Pick<ShownMessage, 'id' | 'incomplete'>,
  calls: readonly ToolCall[],
  results: Results,
): StepView[] {
  const last = calls.at(-1);
  const cut = incomplete === 'length' && last && !jsonObject(last.arguments) ? last : undefined;
  return calls.slice(0, CALLS_MAX).map((call, place) => {
    const more = { result: results.get(call.id), wrong: call === cut ? ('cut' as const) : undefined };
    return toolView(`call-${messageId}-${place}`, { ...call, ...more, goesOn: false });
  });
}

/** The results in these messages. */
export function resultsIn(messages: readonly Pick<ShownMessage, 'results'>[]): Results {
  return new Map(messages.flatMap(({ results }) => (results ?? []).map(({ callId, output }) => [callId, output])));
}

interface Tool {
  readonly name: string;
  readonly arguments: string;
  readonly result?: string | undefined;
  readonly tookMs?: number | undefined;
  readonly wrong?: 'failed' | 'cut' | undefined;
  readonly goesOn: boolean;
}

function toolView(id: string, { name, arguments: args, result, tookMs, wrong, goesOn }: Tool): StepView {
  return {
    ...{
      kind: 'tool',
      id,
      name: clip(name, NAME_LENGTH_MAX),
      arguments: clip(readable(args), DETAIL_LENGTH_MAX),
      goesOn,
    },
    ...(result !== undefined && { result: clip(readable(result), DETAIL_LENGTH_MAX) }),
    ...(tookMs !== undefined && { tookMs }),
    ...(wrong && { wrong }),
  };
}

/** JSON in lines; other text as it is. */
function readable(text: string): string {
  if (!/^\s*[{[]/.test(text) || text.length > DETAIL_LENGTH_MAX) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
