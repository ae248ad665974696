/** Turns the steps of an answer, and its calls of the client's tools, into view models. Decides nothing. */
import type { StepView } from '../../../views/chat/models';
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
    const { name, arguments: args, result, tookMs, isEnded } = step;
    return toolView(id, { name, arguments: args, result, tookMs, goesOn: !isEnded && !about.isEnd });
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

/** Calls of the client's tools, with the results that the client brought back. */
export function callViews(messageId: string, calls: readonly ToolCall[], results: Results): StepView[] {
  return calls
    .slice(0, CALLS_MAX)
    .map(({ id, name, arguments: args }, place) =>
      toolView(`call-${messageId}-${place}`, { name, arguments: args, result: results.get(id), goesOn: false }),
    );
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
  readonly goesOn: boolean;
}

function toolView(id: string, { name, arguments: args, result, tookMs, goesOn }: Tool): StepView {
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
