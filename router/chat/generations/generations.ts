/**
 * Generations: answers being produced. One belongs to the router, not to the request that asked for it: it goes on when
 * the client leaves (policy `detach`), is saved while it grows, and ends exactly once (laws 9, 17, 19).
 */

import type { Agent, AgentsStore } from '../../agents/store';
import type { SentFile } from '../../backends/shape';
import { type Allowance, Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newTimeId } from '../../lib/ids';
import { generationsLog } from '../../lib/log';
import { Recent } from '../../lib/lru';
import type { KeptFile } from '../attachments/store';
import { titleFrom } from '../conversations';
import type { Conversation, Message, Step, ToolResult } from '../store/conversations';
import type { Beginning, WrittenTurn } from '../store/turns';
import { modelOf, type ProduceDeps, produce, type RecordOptions } from './produce';
import { Answer } from './recorder';

/** The predecessor's limit for one message. */
export const TEXT_LENGTH_MAX = 200_000;

/** Clients try again within seconds; what is longer ago than so many conversations is begun anew. */
const BEGUN_MAX = 1_000;

/** An answer that is being written now. */
interface Generation {
  readonly conversationId: string;
  readonly userId: string;
  readonly agentId: string;
  readonly answer: Answer;
  stop(): void;
}

/** A turn that comes through `/v1`. Without the `text` that is answered, the answer goes on with the newest turn stored. */
export interface RecordedTurn {
  readonly conversation: Conversation;
  /** Where the conversation begins with this turn. */
  readonly beginning?: Beginning | undefined;
  readonly text?: string;
  /** Files of the text's message. */
  readonly files?: readonly KeptFile[];
  /** The same as a client of `/v1` sends them. They are stored with the turn. */
  readonly sent?: readonly SentFile[];
  /** Results of the client's tools since the last answer. */
  readonly results?: readonly ToolResult[];
  /** The answer's id, where it is told before it is stored. */
  readonly answerId?: string;
  /** The conversation's from this turn on. */
  readonly sessionFrom?: number;
  /** An answer that did not end well, which this one replaces. */
  readonly replacesId?: string;
  /** Position that the turn follows as another variant. */
  readonly after?: number;
  /** Until when the answer is kept, where nobody has asked for that. */
  readonly expiresAtMs?: number;
}

export type GenerationsService = ReturnType<typeof generationsService>;

interface GenerationsDeps extends ProduceDeps {
  readonly agents: AgentsStore;
  readonly events: Events;
  /** Called when the first answer of a conversation that a page began has ended. */
  readonly firstEnded: (conversation: Conversation) => void;
  /** Whether a page shows a conversation now: an answer that ends in another one is unread. */
  readonly isShown: (conversationId: string) => boolean;
  /** How many answers without a client there may be. */
  readonly requests: Allowance;
  /** Of what is recorded of one answer. */
  readonly maxAnswerBytes: number;
  readonly now: () => number;
}

export function generationsService(deps: GenerationsDeps) {
  const { attachments, conversations, agents, events, firstEnded, isShown, now, held, requests, maxAnswerBytes } = deps;
  const live = new Map<string, Generation>();
  /** Conversations of `/v1` by the agent and the message that they began with. */
  const begun = new Recent<string, string>(BEGUN_MAX);

  /** Writes the turn before anything is asked of a runner, and tells the watchers. */
  async function beginTurn(conversation: Conversation, turn: Omit<RecordedTurn, 'conversation'>): Promise<WrittenTurn> {
    const {
      text,
      files = [],
      results,
      replacesId,
      after,
      answerId = newTimeId(),
      sessionFrom,
      expiresAtMs,
      beginning,
    } = turn;
    const written = await conversations.insertTurn({
      conversationId: conversation.id,
      ...(text !== undefined && { user: { id: newTimeId(), content: text, files } }),
      answerId,
      results,
      ...(beginning && { beginning }),
      ...(sessionFrom !== undefined && { sessionFrom }),
      ...(replacesId !== undefined && { replacesId }),
      ...(after !== undefined && { after }),
      expiresAtMs,
      title: conversation.title === '' ? titleFrom(text ?? '') || titleFrom(files[0]?.name ?? '') : '',
      nowMs: now(),
    });
    if (!written) throw new AppError('answer_running');
    const { userId, id: conversationId } = conversation;
    for (const messageId of replacesId === undefined ? written.gone : [...written.gone, replacesId]) {
      events.publish(userId, { kind: 'message.removed', conversationId, messageId });
    }
    for (const message of [written.user, written.answer]) {
      if (message) events.publish(userId, { kind: 'message.added', conversationId, messageId: message.id });
    }
    events.publish(userId, { kind: 'conversation', conversationId });
    return written;
  }

  /** Makes the recorder of an answer, which from here on can be stopped. */
  function record(conversation: Conversation, message: Message, how: RecordOptions): Answer {
    const ids = { userId: conversation.userId, conversationId: conversation.id, messageId: message.id };
    const { stop, ...rest } = how;
    const options = { ...rest, maxBytes: maxAnswerBytes, share: new Share(held, conversation.userId) };
    const answer = new Answer({ attachments, conversations, events, isShown, now }, ids, options);
    live.set(message.id, { ...ids, agentId: conversation.agentId, answer, stop });
    void answer.saved.then(() => live.delete(message.id));
    return answer;
  }

  function writtenIn(conversationId: string): readonly Generation[] {
    return [...live.values()].filter((generation) => generation.conversationId === conversationId);
  }

  async function stopAll(generations: readonly Generation[]): Promise<void> {
    for (const generation of generations) generation.stop();
    await Promise.all(generations.map(({ answer }) => answer.saved));
  }

  async function agentOf(conversation: Conversation): Promise<Agent> {
    const agent = await agents.find(conversation.agentId);
    if (!agent) throw new AppError('not_found');
    return agent;
  }

  /** A turn whose answer has no client. Throws `too_much_at_once` before anything is stored. */
  async function begin(
    conversation: Conversation,
    turn: Pick<RecordedTurn, 'text' | 'files' | 'results' | 'replacesId' | 'after' | 'beginning'>,
    explicit: boolean,
  ): Promise<Message> {
    const agent = await agentOf(conversation);
    const leave = requests.take(conversation.userId);
    try {
      const { answer, sessionFrom } = await beginTurn(conversation, turn);
      const track = (options: RecordOptions) => {
        const recorder = record(conversation, answer, options);
        if (turn.beginning) void recorder.saved.then(() => firstEnded(conversation));
        return recorder;
      };
      const told = { ...conversation, sessionFrom };
      produce(deps, { conversation: told, agent, messageId: answer.id, explicit }, { track, leave });
      return answer;
    } catch (error) {
      leave();
      throw error;
    }
  }

  return {
    /** The model that a backend with `forward_model_env` is sent for this agent. */
    modelOf: (agent: Agent) => modelOf(deps, agent),

    /**
     * Stores the user's message, with the conversation where it begins, and starts the answer. Throws `answer_running`
     * while another is being written.
     */
    async start(
      conversation: Conversation,
      text: string,
      how: Pick<RecordedTurn, 'beginning' | 'after' | 'files'> = {},
    ): Promise<Message> {
      if (text.trim() === '' && !how.files?.length)
        throw new AppError('invalid_fields', { fields: { text: 'Write a message first' } });
      if (text.length > TEXT_LENGTH_MAX) {
        throw new AppError('invalid_fields', {
          fields: { text: `At most ${TEXT_LENGTH_MAX.toLocaleString('en')} characters` },
        });
      }
      return begin(conversation, { text, ...how }, false);
    },

    /** Starts another answer to what was said, in place of one or as another variant. */
    startAgain: (
      conversation: Conversation,
      turn: { replacesId: string } | { after: number; results: readonly ToolResult[] },
    ): Promise<Message> => begin(conversation, turn, true),

    /** Stores a turn that comes through `/v1`, whose relay does the work. */
    async record(turn: RecordedTurn, options: RecordOptions): Promise<Answer> {
      const { conversation, text, sent = [] } = turn;
      const files = sent.length > 0 ? await attachments.keepSent(conversation.userId, sent) : [];
      const { answer: message } = await beginTurn(conversation, { ...turn, files });
      if (text !== undefined && conversation.lastPosition === 0) {
        begun.set(beginningOf(conversation.agentId, text), conversation.id);
      }
      return record(conversation, message, options);
    },

    /** The conversation of `/v1` that this message has begun last. */
    begunWith: (agentId: string, text: string): string | undefined => begun.get(beginningOf(agentId, text)),

    /** Stops an answer; what was written stays. Nothing happens when it has ended already. */
    async stop(messageId: string): Promise<void> {
      const generation = live.get(messageId);
      generation?.stop();
      await generation?.answer.saved;
    },

    /** Stops what is being written in a conversation. */
    stopIn: (conversationId: string): Promise<void> => stopAll(writtenIn(conversationId)),

    /** Stops the answers of one agent, or of all agents of one user. */
    stopOf: (owner: { readonly agentId: string } | { readonly userId: string }): Promise<void> =>
      stopAll(
        [...live.values()].filter((one) =>
          'agentId' in owner ? one.agentId === owner.agentId : one.userId === owner.userId,
        ),
      ),

    /** Resolves when what is being written in a conversation has ended and is saved. */
    async settled(conversationId: string): Promise<void> {
      await Promise.all(writtenIn(conversationId).map(({ answer }) => answer.saved));
    },

    /** How many answers are being written. */
    get size(): number {
      return live.size;
    },

    /** The text so far of an answer that is being written. */
    textOf: (messageId: string): string | undefined => live.get(messageId)?.answer.text,

    /** The steps so far of an answer that is being written. */
    stepsOf: (messageId: string): readonly Step[] | undefined => live.get(messageId)?.answer.steps,

    /** On shutdown: ends what is being written as interrupted, with its text saved. */
    async interruptAll(): Promise<void> {
      const all = [...live.values()];
      for (const { answer } of all) answer.end('failed', interrupted());
      await Promise.all(all.map(({ answer }) => answer.saved));
    },

    /** On start: ends what a crash left open (law 19). */
    async endOrphans(): Promise<void> {
      const { code, message } = interrupted();
      const count = await conversations.endOrphans({ code: INTERRUPTED, message }, now());
      if (count > 0) generationsLog.warn({ count, code }, 'orphans.ended');
    },
  };
}

function beginningOf(agentId: string, text: string): string {
  return `${agentId} ${Bun.hash(text)}`;
}

/** The code that an answer keeps when the router itself ended in the middle of it. */
export const INTERRUPTED = 'shutting_down';

function interrupted(): AppError {
  return new AppError(INTERRUPTED, { message: 'The router was restarted in the middle of this answer.' });
}
