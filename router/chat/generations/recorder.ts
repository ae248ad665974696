/**
 * The recorder of an answer: keeps the bytes that pass, has them parsed in batches, saves the text on a clock and at the
 * end (law 17), and with the end the calls of tools.
 */
import type { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { logAnswer } from '../../lib/log';
import { Moment } from '../../lib/moment';
import { safely } from '../../lib/safely';
import type { Ending, Recorder } from '../../relay/relay';
import type { AttachmentsService } from '../attachments/attachments';
import type { ConversationsStore, Step } from '../store/conversations';
import { AnswerReader, type ReaderOptions } from './answer-reader';
import { AnswerSaving, type WaitingTurn } from './answer-saving';
import { type End, type Ended, endOf } from './ending';
import { PIECE_LENGTH_MAX } from './growing-text';
import { Growth } from './growth';
import { PictureSaving } from './picture-saving';
import { type Later, saveLater, tickSoon } from './ticks';
import type { AnswerIds } from './turn';

/** When this many bytes wait, they are parsed before the tick. */
const PENDING_BYTES_MAX = 65_536;
/** Parsing blocks the event loop. After this time it continues in the next turn of the loop. */
const PARSE_MS = 10;

interface AnswerDeps {
  readonly attachments: Pick<AttachmentsService, 'limits' | 'ofAnswer'>;
  readonly conversations: ConversationsStore;
  readonly events: Events;
  readonly isShown: (conversationId: string) => boolean;
  /** Called each time that the database has refused. */
  readonly onRefused: () => void;
  readonly now: () => number;
}

export interface AnswerOptions extends Omit<ReaderOptions, 'pictures'> {
  /** Whether the runner answers with server-sent events, or with one JSON body. */
  readonly isStream: boolean;
  /** The answer has ended here because it is too long; what still comes of it is not recorded. */
  onTooLarge?: ((error: AppError) => void) | undefined;
  /** The turn of the answer, where it is not stored yet. It is when the text would be saved, unless the answer has ended before that. */
  readonly waiting?: WaitingTurn | undefined;
  /** Called when the ending is in the database, before anybody is told of it. */
  onSaved(): void;
}

export class Answer implements Recorder {
  readonly #deps: AnswerDeps;
  readonly #ids: AnswerIds;
  readonly #options: AnswerOptions;
  readonly #reader: AnswerReader;
  readonly #store: AnswerSaving;
  readonly #pictures: PictureSaving;
  readonly #growth: Growth;
  /** The ending is in the database. */
  readonly saved = new Moment();
  /** The ending is in the database, or the database has refused it once. */
  readonly tried = new Moment();
  /** Its turn is written, or the database has refused it once. */
  readonly #begun = new Moment();
  /** The received bytes are parsed at the next tick. */
  #isTicking = false;
  /** More is parsed in the next turn of the event loop. */
  #isBehind = false;
  /** What is new is saved then. */
  #toSave: Later | undefined;
  /** The saving that is under way. */
  #saving: Promise<void> | undefined;
  #ended: Ended | undefined;

  constructor(deps: AnswerDeps, ids: AnswerIds, options: AnswerOptions) {
    this.#deps = deps;
    this.#ids = ids;
    this.#options = options;
    this.#pictures = new PictureSaving(deps.attachments, ids, () => this.#turn());
    const { isStream, maxBytes, share, waiting } = options;
    const { conversationId, messageId, userId } = ids;
    this.#reader = new AnswerReader(messageId, isStream, { maxBytes, share, pictures: this.#pictures }, deps.now);
    this.#store = new AnswerSaving({
      conversations: deps.conversations,
      messageId,
      reader: this.#reader,
      waiting,
      onRefused: () => {
        deps.onRefused();
        this.#begun.come();
        if (this.#ended) this.tried.come();
      },
      onTurned: () => deps.events.publish(userId, { kind: 'conversation', conversationId }),
    });
    this.#growth = new Growth(deps.events, ids, this.#reader, this.#store);
    if (waiting) this.#dueSoon();
  }

  /** The text, as far as it is parsed. */
  get text(): string {
    return this.#reader.text.all;
  }

  /** The steps of the answer so far. */
  get steps(): readonly Step[] {
    return this.#reader.steps.all;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** What the database has of it. */
  get storing(): Pick<AnswerSaving, 'isStored' | 'isRefused'> {
    return this.#store;
  }

  /** Sets the kind of body that the runner really sends. Call it before the first chunk. */
  comesAs({ isStream }: { readonly isStream: boolean }): void {
    this.#reader.isStream = isStream;
  }

  /**
   * Has the turn written, where it is not stored yet: before somebody is told of it, or something is stored behind it.
   * @returns a promise that resolves when it is in the database, or the database has refused it once; undefined where there
   * is nothing to wait for.
   */
  begin(): Promise<void> | undefined {
    const turn = this.#turn();
    if (!turn) return this.#ended && this.tried.promise;
    void turn.then(() => this.#begun.come());
    return this.#begun.promise;
  }

  /** The saving that is under way, of the turn where that is not stored yet. */
  #turn(): Promise<void> | undefined {
    if (this.#store.isTurnDue) this.#saving ??= this.#save();
    return this.#saving;
  }

  chunk(bytes: Uint8Array): void {
    if (this.#ended) return;
    const reader = this.#reader;
    reader.push(bytes);
    if (reader.tooLarge) this.#cut(reader.tooLarge);
    else if (!reader.isStream || this.#isBehind) return;
    else if (reader.waitingBytes > PENDING_BYTES_MAX) this.#work();
    else this.#dueSoon();
  }

  /**
   * The first call decides how the answer ended.
   * @returns a promise that resolves when the ending is in the database, or the database has refused it for now.
   */
  end(ending: Ending, error?: AppError): Promise<void> {
    if (!this.#ended) {
      this.#ended = { ending, error };
      this.#saveNoLater();
      if (!this.#isBehind) this.#work();
    }
    return this.tried.promise;
  }

  /** Ends the answer with its text so far. */
  #cut(error: AppError): void {
    if (this.#ended) return;
    void this.end('failed', error);
    this.#options.onTooLarge?.(error);
  }

  /** What nobody watches is parsed and stored when it is saved. */
  #dueSoon(): void {
    if (this.#deps.events.isHeard(this.#ids.userId)) this.#tickSoon();
    else this.#saveLater();
  }

  #tickSoon(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    tickSoon(() => this.#ticked());
  }

  #ticked(): void {
    this.#isTicking = false;
    if (this.#ended) return;
    void this.begin();
    if (this.#reader.isStream && !this.#isBehind) this.#work();
  }

  /** Parses what has come, tells watchers of it and has it saved; or ends the answer. */
  #work(): void {
    const reader = this.#reader;
    this.#isBehind = safely('recorder', this.#ids, () => reader.parse(performance.now() + PARSE_MS)) === false;
    if (this.#isBehind) setImmediate(() => this.#work());
    else if (this.#ended) this.#finish(this.#ended);
    else if (reader.tooLarge) this.#cut(reader.tooLarge);
    if (this.#ended) return;
    this.#growth.tell();
    this.#saveSoon();
  }

  #finish(ended: Ended): void {
    safely('recorder', this.#ids, () => this.#reader.end());
    // Asked when the ending is written: a page may come until then.
    const isSeen = () => this.#deps.isShown(this.#ids.conversationId);
    const end = endOf(this.#reader, ended, this.#deps.now(), isSeen);
    const save = () => this.#store.saveEnd(end, () => this.#endSaved(end));
    const { stored } = this.#pictures;
    if (this.#saving || stored) void Promise.all([this.#saving, stored]).then(save);
    else save();
  }

  #endSaved({ status, failure }: End): void {
    const { messageId, conversationId, userId } = this.#ids;
    logAnswer({ message: messageId, status, code: failure?.code, event: 'generation.ended' });
    this.#options.share.end();
    // First, so that who is told of the end can ask for the next answer.
    this.#options.onSaved();
    this.saved.come();
    this.tried.come();
    this.#deps.events.publish(userId, { kind: 'message.ended', conversationId, messageId });
  }

  #saveSoon(): void {
    if (this.#reader.text.unsaved >= PIECE_LENGTH_MAX) this.#saveNow();
    // What has come of a stream while the text was saved is not parsed yet. Another body is only parsed when it is whole.
    else if (this.#store.isDue || (this.#reader.isStream && this.#reader.waitingBytes > 0)) this.#saveLater();
  }

  #saveLater(): void {
    if (this.#toSave || this.#saving || this.#ended) return;
    this.#toSave = saveLater(() => {
      if (this.#ended) return;
      if (this.#reader.isStream && !this.#isBehind) this.#work();
      this.#saveNow();
    });
  }

  #saveNoLater(): void {
    if (this.#toSave) this.#toSave.work = undefined;
    this.#toSave = undefined;
  }

  #saveNow(): void {
    this.#saveNoLater();
    if (this.#store.isDue && !this.#saving && !this.#ended) this.#saving = this.#save();
  }

  async #save(): Promise<void> {
    await this.#store.save();
    this.#saving = undefined;
    if (this.#ended) return;
    this.#growth.tell();
    this.#saveSoon();
  }
}
