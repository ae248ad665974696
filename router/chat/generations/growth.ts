/** Tells watchers that an answer grows. */
import type { Events } from '../../lib/events';
import type { AnswerReader } from './answer-reader';
import type { AnswerSaving } from './answer-saving';
import type { AnswerIds } from './turn';

export class Growth {
  /** How much of the text watchers were told of. */
  #toldLength = 0;
  /** Revisions of the steps. */
  #toldSteps = 0;

  constructor(
    readonly events: Events,
    readonly ids: AnswerIds,
    readonly reader: Pick<AnswerReader, 'text' | 'steps'>,
    readonly store: Pick<AnswerSaving, 'isStored'>,
  ) {}

  /** Nothing is told where nothing is new, and while the turn is not stored: watchers are told of that first. */
  tell(): void {
    if (!this.store.isStored) return;
    const { text, steps } = this.reader;
    if (text.length === this.#toldLength && steps.revision === this.#toldSteps) return;
    this.#toldLength = text.length;
    this.#toldSteps = steps.revision;
    const { messageId, conversationId, userId } = this.ids;
    this.events.publish(userId, { kind: 'message.grew', conversationId, messageId });
  }
}
