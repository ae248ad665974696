/** Stores the pictures of an answer, one after the other, the first one behind its turn. */
import type { AttachmentsService } from '../attachments/attachments';
import type { AnswerPicture } from './answer-pictures';
import type { AnswerIds } from './turn';

export class PictureSaving {
  /** Resolves when those so far are stored; undefined while there is none. */
  stored: Promise<void> | undefined;
  #count = 0;

  /** @param turn has the turn stored, where it is not, and resolves when it is. */
  constructor(
    readonly attachments: Pick<AttachmentsService, 'limits' | 'ofAnswer'>,
    readonly ids: AnswerIds,
    readonly turn: () => Promise<void> | undefined,
  ) {}

  /** Of one picture. */
  get bytesMax(): number {
    return this.attachments.limits.bytesMax;
  }

  save(picture: AnswerPicture): Promise<void> {
    this.stored = this.attachments.ofAnswer(this.ids, picture, this.#count, this.stored ?? this.turn());
    this.#count += 1;
    return this.stored;
  }
}
