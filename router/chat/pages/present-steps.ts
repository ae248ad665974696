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
    ...(isBlank(step) && { isBlank: true }),
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

function isTool(step: Step): step is Extract<Step, { kind: 'tool' }> {
  return step.kind === 'tool';
}

/** Of the answer that steps belong to: whether it has ended, and has said something. */
export interface SaidAndDone {
  readonly isEnd: boolean;
  readonly hasText: boolean;
}

/** A thought of which there is nothing to read. It is hidden when it is over. */
function isBlank(step: Step): boolean {
  return step.kind === 'thought' && step.text.trim() === '';
}

/** Whether steps are too many to be shown one by one. */
export function areMany(steps: readonly Step[]): boolean {
  return steps.filter((step) => !isBlank(step)).length > UNFOLDED_MAX;
}

/** The line for many steps. It names what goes on where the steps are hidden meanwhile, or no call is over that it could count. */
export function foldView(steps: readonly Step[], { isEnd, hasText }: SaidAndDone): FoldView | undefined {
  if (!areMany(steps)) return undefined;
  const over = isEnd ? steps : steps.filter(isOver);
  const times = over.flatMap(({ tookMs }) => tookMs ?? []);
  const tools = over.filter(isTool).length;
  const hasTools = steps.some(isTool);
  const isNamed = !isEnd && (hasText || (hasTools && tools === 0));
  const now = isNamed ? steps.findLast((step) => !isOver(step)) : undefined;
  return {
    ...(hasTools && { tools }),
    failed: over.filter((step) => isTool(step) && step.isFailed).length,
    ...(times.length > 0 && { tookMs: times.reduce((sum, ms) => sum + ms, 0) }),
    ...(now && { now: now.kind === 'tool' ? clip(now.name, NAME_LENGTH_MAX) : '' }),
  };
}

/** The same for calls of the client's tools. */
export function callsFoldView(
  message: Pick<ShownMessage, 'incomplete'>,
  calls: readonly ToolCall[],
): FoldView | undefined {
  const fold = foldView(
    calls.map((call) => ({ ...call, kind: 'tool' })),
    { isEnd: true, hasText: false },
  );
  return fold && { ...fold, ...(cutCall(message, calls) && { isCut: true }) };
}

/** The call of which only a part came: of an answer that the limit of tokens cut, the last one may be that. */
function cutCall({ incomplete }: Pick<ShownMessage, 'incomplete'>, calls: readonly ToolCall[]): ToolCall | undefined {
  const last = calls.at(-1);
  return incomplete === 'length' && last && !jsonObject(last.arguments) ? last : undefined;
}

/** Calls of the client's tools, with the results that the client brought back. */
export function callViews(
  message: Pick<ShownMessage, 'id' | 'incomplete'>,
  calls: readonly ToolCall[],
  results: Results,
): StepView[] {
  const cut = cutCall(message, calls);
  return calls.slice(0, CALLS_MAX).map((call, place) => {
    const more = { result: results.get(call.id), wrong: call === cut ? ('cut' as const) : undefined };
    return toolView(`call-${message.id}-${place}`, { ...call, ...more, goesOn: false });
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
