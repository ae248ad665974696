/** Keeps which steps of a growing answer one page shows, and sends the rest. */
import type { JSX } from 'preact';
import { LiveFold, LiveFoldLine, LiveStep } from '../../../views/chat/live';
import type { StepView } from '../../../views/chat/models';
import type { Change } from '../../../views/growth';
import type { HadText, PageRendering } from '../../web/rendering/rendering';
import { areMany, foldView, isOver, type SaidAndDone, stepId, stepView, UNFOLDED_MAX } from '../pages/present-steps';
import type { Step } from '../store/conversations';
import { beginningOf } from './growing';

/** The weight, in characters, of a change other than a thought's text. */
const CHANGE_LENGTH = 32;

interface OnPage {
  readonly isOver: boolean;
  /** The text that the page has of a thought that goes on. */
  readonly had?: HadText | undefined;
  /** The step as the page shows it. */
  readonly step?: Step | undefined;
}

/** How a page that connects describes it: the number of its steps, of which all are over, or that one goes on. */
export type StepsSeen = number | 'open';

export class StepsOnPage {
  readonly #steps: OnPage[];
  /** What the line above many steps says; absent where that is not known. */
  #line: string | undefined;
  /** Whether the page has that line; undefined until it is worked out from the steps that the page has, which are over. */
  #hasLine: boolean | undefined;
  /** The steps when the page was last told of them. Some may have been held back. */
  #told: readonly Step[] = [];

  /** @param seen the number of steps that the page has, or the steps themselves. */
  constructor(
    readonly messageId: string,
    seen: number | readonly StepView[],
  ) {
    this.#steps =
      typeof seen === 'number'
        ? Array.from({ length: seen }, () => ({ isOver: true }))
        : seen.map((view) => ({ isOver: !view.goesOn, had: hadOf(view) }));
    if (typeof seen === 'number') return;
    this.#hasLine = seen.filter((view) => view.kind === 'tool' || !view.isBlank).length > UNFOLDED_MAX;
  }

  /**
   * @param seen what the page that connects has. One that had a step that went on gets the answer anew: `undefined`.
   * @param count how many steps there are.
   */
  static atConnect(messageId: string, seen: StepsSeen | undefined, count: number): StepsOnPage | undefined {
    return typeof seen === 'number' && seen <= count ? new StepsOnPage(messageId, seen) : undefined;
  }

  get seen(): StepsSeen {
    return this.#steps.every(({ isOver }) => isOver) ? this.#steps.length : 'open';
  }

  /** About how many characters the page does not have of them. */
  growth(steps: readonly Step[]): number {
    return steps.reduce((sum, step, place) => {
      const there = this.#steps[place];
      const told = there ? there.step : this.#told[place];
      if (there?.isOver || told === step) return sum;
      const added = step.kind === 'thought' && there?.had ? step.text.length - there.had.shown : CHANGE_LENGTH;
      return sum + (isOver(step) ? CHANGE_LENGTH : added);
    }, 0);
  }

  /**
   * Brings the page up to date.
   * @param so if the answer has ended, its steps have with it.
   * @param grow sends the growth of the thought that goes on.
   * @returns parts to be sent after that.
   */
  async tell(
    rendering: PageRendering,
    { steps: growing, ...so }: SaidAndDone & { readonly steps: readonly Step[] },
    grow: (changes: readonly Change[]) => Promise<void>,
  ): Promise<JSX.Element[]> {
    const { isEnd } = so;
    const parts: JSX.Element[] = [];
    // More may come while the page is being sent these, and a thought may grow.
    const steps = [...growing];
    this.#hasLine ??= areMany(steps.slice(0, this.#steps.length));
    this.#told = steps;
    const fold = foldView(steps, so);
    // Calls behind the line are not visible, and the line names the call that goes on. So each is sent when it is over, in
    // order. Calls of a runtime that reports no ends are sent at once.
    const areHeld = so.hasText && this.#hasLine && fold?.tools;
    for (const [place, step] of steps.entries()) {
      const there = this.#steps[place];
      const over = isEnd || isOver(step);
      if (there?.isOver || (there?.step === step && !over)) continue;
      if (areHeld && !there && !over && step.kind === 'tool') break;
      const isThere =
        step.kind === 'thought' &&
        there?.had &&
        (await this.#grow(rendering, place, { text: step.text, isEnd: over }, grow));
      if (isThere && !over) continue;
      const about = { messageId: this.messageId, place, isEnd, isThere: isThere === true };
      const view = await stepView(rendering, step, about);
      this.#steps[place] = { isOver: over, had: hadOf(view), step };
      parts.push(<LiveStep step={view} />);
    }
    const line = JSON.stringify(fold);
    if (!fold || line === this.#line) return parts;
    this.#line = line;
    parts.push(this.#hasLine ? <LiveFoldLine fold={fold} /> : <LiveFold messageId={this.messageId} fold={fold} />);
    this.#hasLine = true;
    return parts;
  }

  /** Returns whether the page has the text, or as much of it as there was time for. */
  async #grow(
    rendering: PageRendering,
    place: number,
    { text, isEnd }: { text: string; isEnd: boolean },
    grow: (changes: readonly Change[]) => Promise<void>,
  ): Promise<boolean> {
    const had = this.#steps[place]?.had;
    if (!had) return false;
    const part = isEnd ? text : beginningOf(text, had.shown);
    const growth = await rendering.growth(stepId(this.messageId, place), part, { had, isEnd });
    if (!growth) return !isEnd;
    if (!growth.changes) return false;
    this.#steps[place] = { isOver: false, had: { ...had, settled: growth.settled, shown: part.length } };
    if (growth.changes.length > 0) await grow(growth.changes);
    return true;
  }
}

function hadOf(view: StepView): HadText | undefined {
  if (view.kind !== 'thought' || !view.growing) return undefined;
  return { settled: view.growing.settled, shown: view.length, isPlain: view.growing.isPlain ?? false };
}
