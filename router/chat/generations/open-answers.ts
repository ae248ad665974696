/** The answers that are being written now: found by their message, conversation or owner, and stopped. */
import { AppError } from '../../lib/errors';
import type { Answer, AnswerIds } from './recorder';

export interface OpenAnswer extends AnswerIds {
  readonly agentId: string;
  readonly answer: Answer;
  stop(): void;
}

export class OpenAnswers {
  readonly #all = new Map<string, OpenAnswer>();
  /** Conversations in which an answer is begun or written: one at a time. */
  readonly #taken = new Set<string>();

  /** From here on no other answer can be begun there. Throws `answer_running`. */
  take(conversationId: string): void {
    if (this.#taken.has(conversationId)) throw new AppError('answer_running');
    this.#taken.add(conversationId);
  }

  /** Undoes `take`, for an answer that was not begun. */
  leave(conversationId: string): void {
    this.#taken.delete(conversationId);
  }

  /** Adds the answer of a taken conversation, until its end is saved. */
  add(open: OpenAnswer): void {
    this.#all.set(open.messageId, open);
    void open.answer.saved.then(() => {
      this.#all.delete(open.messageId);
      this.leave(open.conversationId);
    });
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
    return this.all().filter((one) => one.conversationId === conversationId);
  }

  /** The answers of one agent, or of all agents of one user. */
  of(owner: { readonly agentId: string } | { readonly userId: string }): readonly OpenAnswer[] {
    return this.all().filter((one) =>
      'agentId' in owner ? one.agentId === owner.agentId : one.userId === owner.userId,
    );
  }
}

/** Stops answers; their text so far stays. Resolves when their ends are saved. */
export async function stopAll(answers: readonly OpenAnswer[]): Promise<void> {
  for (const one of answers) one.stop();
  await Promise.all(answers.map(({ answer }) => answer.saved));
}
