/**
 * Reads the steps of an agent before it answers, from the events of its answer: what it thinks, and its calls of its own
 * tools. Calls of the client's tools are in tool-calls.ts.
 */

import { outputText, saidIn, thoughtText } from '../../backends/said';
import { isJsonObject, type JsonObject, stringOf } from '../../lib/json';
import { clip } from '../../lib/text';
import type { Step } from '../store/conversations';

/** Characters of the steps of one answer that are kept. A row with more would take milliseconds to write. */
const STEPS_LENGTH_MAX = 65_536;
/** Characters of the arguments of one call, and of its result. */
const CALL_LENGTH_MAX = 8_192;
/** Characters of an id or a name. */
const NAME_LENGTH_MAX = 128;
const STEPS_MAX = 200;
/** Bytes that a step takes beside its texts. */
const STEP_BYTES = 100;
/** Names of events that report an agent's own tools, such as `hermes.tool.progress`. */
const TOOL_EVENT = /(?:^|\.)tool[._](?:progress|started|completed|failed|result)$/;
const ENDED = /complete|done|finish|success|fail|error|result/;
const FAILED = /fail|error/;

type Tool = Extract<Step, { kind: 'tool' }>;

/** What there is of the answer before a thought. */
interface Before {
  readonly textLength: number;
  readonly callCount: number;
}

export class AnswerSteps {
  /** Grows with each change. */
  revision = 0;
  readonly #steps: Step[] = [];
  /** When each step began, by its place: time of `now`. */
  readonly #beganMs: number[] = [];
  /** Places of calls that have not ended, by their id or else their name. */
  readonly #running = new Map<string, number>();
  #length = 0;

  constructor(readonly now: () => number) {}

  get all(): readonly Step[] {
    return this.#steps;
  }

  /** Estimate of the bytes that are held. */
  get size(): number {
    return this.#length + this.#steps.length * STEP_BYTES;
  }

  /**
   * Reads one event, or the whole body of an answer.
   * @param said what `saidIn` finds in it.
   * @param before what was read of the answer before it.
   * @param name of the event, where it has one.
   */
  read(body: JsonObject, said: JsonObject | undefined, before: Before, name?: string): void {
    const type = stringOf(body.type) || (name ?? '');
    if (isToolReport(body, name)) this.#tool(body, name ?? type);
    else if (said) this.think(thoughtText(said), before);
    else if (/^response\.reasoning(_summary)?(_text)?\.delta$/.test(type)) this.think(stringOf(body.delta), before);
    else if (type === 'response.output_item.done') this.#itemEnd(body.item);
    else if (Array.isArray(body.output)) this.#items(body.output);
  }

  /** @param isTagged it stood in tags in the text. */
  think(added: string, before: Before, isTagged = false): void {
    if (added === '') return;
    const last = this.#steps.at(-1);
    const isSame = last?.kind === 'thought' && last.tookMs === undefined;
    const thought = isSame ? last : begunThought(before, isTagged);
    const kept = this.#room(added);
    if (kept !== '')
      this.#set(isSame ? this.#steps.length - 1 : this.#steps.length, { ...thought, text: thought.text + kept });
  }

  /** To be called when the agent says something: then it does not think any more. */
  endThought(): void {
    const place = this.#steps.length - 1;
    const last = this.#steps[place];
    if (last?.kind === 'thought' && last.tookMs === undefined)
      this.#set(place, { ...last, tookMs: this.#tookMs(place) });
  }

  /** To be called at the end of the answer. Calls whose end was not reported have no time. */
  end(): void {
    this.endThought();
    this.#running.clear();
  }

  /** The next thought of a response is another one, also where nothing is said between them. */
  #itemEnd(item: unknown): void {
    if (isJsonObject(item) && item.type === 'reasoning') this.endThought();
  }

  /** The items of a response that was not streamed. */
  #items(items: readonly unknown[]): void {
    let [textLength, callCount] = [0, 0];
    for (const item of items.filter(isJsonObject)) {
      if (item.type === 'function_call') callCount += 1;
      else if (item.type === 'reasoning') {
        const texts = [...partsOf(item.summary), ...partsOf(item.content)];
        this.think(texts.join('\n\n'), { textLength, callCount });
        this.endThought();
      } else textLength += outputText(item).length;
    }
  }

  /** Runtimes name the members differently: a call is reported when it begins and, by its id or name, when it ends. */
  #tool(body: JsonObject, event: string): void {
    const name = clip(stringOf(body.tool) || stringOf(body.name) || stringOf(body.tool_name), NAME_LENGTH_MAX);
    const id = clip(
      stringOf(body.toolCallId) || stringOf(body.tool_call_id) || stringOf(body.id) || name,
      NAME_LENGTH_MAX,
    );
    if (id === '') return;
    this.endThought();
    const running = this.#running.get(id);
    const place = running ?? this.#steps.length;
    if (place >= STEPS_MAX) return;
    const known = this.#steps[place];
    const before: Tool = known?.kind === 'tool' ? known : { kind: 'tool', name, arguments: '' };
    const args = this.#detail(
      body.arguments ?? body.args ?? body.params ?? body.label ?? body.preview,
      before.arguments,
    );
    const { error } = body;
    const said = body.result ?? body.output ?? (typeof error === 'boolean' ? undefined : error);
    const result = this.#detail(said, before.result ?? '');
    const state = stringOf(body.status) || event;
    const isEnd = ENDED.test(state);
    const isFailed = isEnd && (FAILED.test(state) || [error, body.is_error, body.isError].some(Boolean));
    if (running === undefined) this.#beganMs[place] = this.now();
    const reported = typeof body.duration === 'number' ? Math.round(body.duration * 1_000) : undefined;
    const tookMs = reported ?? (running === undefined ? undefined : this.#tookMs(place));
    this.#set(place, {
      ...{ ...before, name: name || before.name, arguments: args },
      ...(result !== '' && { result }),
      ...(isEnd && { isEnded: true, ...(isFailed && { isFailed }), ...(tookMs !== undefined && { tookMs }) }),
    });
    if (isEnd) this.#running.delete(id);
    else this.#running.set(id, place);
  }

  /** The newest report of a call's arguments or result, or the one before it. */
  #detail(value: unknown, before: string): string {
    if (value === undefined || value === null || value === '' || before !== '') return before;
    return this.#room(clip(typeof value === 'string' ? value : JSON.stringify(value), CALL_LENGTH_MAX));
  }

  /** As much of a text as is kept. */
  #room(added: string): string {
    const room = STEPS_LENGTH_MAX - this.#length;
    if (room <= 0) return '';
    const kept = clip(added, room);
    this.#length += kept.length;
    return kept;
  }

  #set(place: number, step: Step): void {
    if (place >= STEPS_MAX) return;
    this.#steps[place] = step;
    this.#beganMs[place] ??= this.now();
    this.revision += 1;
  }

  #tookMs(place: number): number {
    return Math.max(0, this.now() - (this.#beganMs[place] ?? 0));
  }
}

/** Whether an event reports a call of an agent's own tool. An error in it is the call's, and not that of the answer. */
export function isToolReport(body: JsonObject, name = ''): boolean {
  return saidIn(body) === undefined && (TOOL_EVENT.test(name) || TOOL_EVENT.test(stringOf(body.type)));
}

function begunThought({ textLength, callCount }: Before, isTagged: boolean): Extract<Step, { kind: 'thought' }> {
  return {
    kind: 'thought',
    text: '',
    ...(isTagged && { isTagged }),
    ...(textLength > 0 && { textLengthBefore: textLength }),
    ...(callCount > 0 && { callsBefore: callCount }),
  };
}

function partsOf(parts: unknown): string[] {
  return Array.isArray(parts)
    ? parts.map((part) => (isJsonObject(part) ? stringOf(part.text) : '')).filter(Boolean)
    : [];
}
