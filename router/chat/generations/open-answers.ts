/** The answers that are being written now: found by their message, conversation or owner, and stopped. */
import { AppError } from '../../lib/errors';
import { Moment } from '../../lib/moment';
import { within } from '../../lib/time';
import { RETRY_MS } from './answer-saving';
import type { Answer } from './recorder';
import type { AnswerIds } from './turn';

interface OpenAnswer extends AnswerIds {
  readonly agentId: string;
  readonly answer: Answer;
  stop(): void;
}

/** Whose answers: those of one agent, or of all agents of one user. */
export type Owner = { readonly agentId: string } | { readonly userId: string };

/** A conversation in which an answer is begun or written, one at a time. */
interface Taken {
  open?: OpenAnswer;
  /** It is begun, or not begun after all. */
  readonly begun: Moment;
}

export class OpenAnswers {
  readonly #all = new Map<string, OpenAnswer>();
  readonly #taken = new Map<string, Taken>();

  /** Whether an answer is begun or written there. */
  has(conversationId: string): boolean {
    return this.#taken.has(conversationId);
  }

  /** Whether the database refuses the newest turn of this user's conversation: it is not stored yet, or not as a whole. */
  isUnsaved(userId: string, conversationId: string): boolean {
    return this.in(conversationId).some((one) => one.userId === userId && one.answer.storing.isRefused);
  }

  /** Whether the database refuses this user's answer: it is not stored yet, or not as a whole. */
  isUnsavedAnswer(userId: string, messageId: string): boolean {
    const one = this.find(messageId);
    return one?.userId === userId && one.answer.storing.isRefused;
  }

  /** From here on no other answer can be begun there. Throws `answer_running`. */
  take(conversationId: string): void {
    if (this.#taken.has(conversationId)) throw new AppError('answer_running');
    this.#taken.set(conversationId, { begun: new Moment() });
  }

  /** Undoes `take`, for an answer that was not begun. */
  leave(conversationId: string): void {
    this.#taken.get(conversationId)?.begun.come();
    this.#taken.delete(conversationId);
  }

  /** Resolves when the answer that is begun there can be found by `in`. */
  begun(conversationId: string): Promise<void> | undefined {
    return this.#taken.get(conversationId)?.begun.promise;
  }

  /**
   * Where an answer has ended whose end is still being saved: resolves when that is done, or the database takes too long.
   * Who has read the end of an answer may ask for the next one.
   */
  ending(conversationId: string): Promise<unknown> | undefined {
    const answer = this.#taken.get(conversationId)?.open?.answer;
    return answer?.hasEnded ? within(RETRY_MS, answer.saved.promise) : undefined;
  }

  /** Resolves when the turn of what is being written there is stored, or the database has refused it. */
  async written(conversationId: string): Promise<void> {
    await this.begun(conversationId);
    await Promise.all(this.in(conversationId).map(({ answer }) => answer.begin()));
  }

  /** The same for all answers of an owner. Undefined where there is nothing to wait for. */
  writtenOf(owner: Owner): Promise<unknown> | undefined {
    const waiting = this.of(owner).filter(({ answer }) => !answer.storing.isStored);
    return waiting.length === 0 ? undefined : Promise.all(waiting.map(({ answer }) => answer.begin()));
  }

  /** Adds the answer of a taken conversation. */
  add(open: OpenAnswer): void {
    this.#all.set(open.messageId, open);
    const taken = this.#taken.get(open.conversationId);
    if (!taken) return;
    taken.open = open;
    taken.begun.come();
  }

  /** The end of an answer is saved. */
  remove(messageId: string, conversationId: string): void {
    this.#all.delete(messageId);
    this.leave(conversationId);
  }

  get size(): number {
    return this.#all.size;
  }

  find(messageId: string): OpenAnswer | undefined {
    return this.#all.get(messageId);
  }

  all(): readonly OpenAnswer[] {
    return [...this.#all.values()];
  }

  in(conversationId: string): readonly OpenAnswer[] {
    const open = this.#taken.get(conversationId)?.open;
    return open ? [open] : [];
  }

  of(owner: Owner): readonly OpenAnswer[] {
    return this.all().filter((one) =>
      'agentId' in owner ? one.agentId === owner.agentId : one.userId === owner.userId,
    );
  }
}

/**
 * Stops answers; their text so far stays. Resolves when their ends are saved, or the database has refused that: nobody who
 * stops one waits until a full disk has room again.
 */
export async function stopAll(answers: readonly OpenAnswer[]): Promise<void> {
  for (const one of answers) one.stop();
  await Promise.all(answers.map(({ answer }) => answer.tried.promise));
}
