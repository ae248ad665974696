/**
 * Generations: answers being produced. One belongs to the router, not to the request that asked for it: it goes on when
 * the client leaves (policy `detach`), is saved while it grows, and ends exactly once (laws 9, 17, 19).
 */

import type { Agent, AgentsStore } from '../../agents/store';
import { type Allowance, Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { generationsLog } from '../../lib/log';
import { type Soon, whenThere } from '../../lib/lookup';
import { Recent } from '../../lib/lru';
import { within } from '../../lib/time';
import type { Conversation, Message, Step, ToolResult } from '../store/conversations';
import type { NewTurn, WrittenTurn } from '../store/turns';
import { Refusing, type WaitingTurn } from './answer-saving';
import { OpenAnswers, type Owner, stopAll } from './open-answers';
import { modelOf, type ProduceDeps, produce, type RecordOptions } from './produce';
import { Answer } from './recorder';
import { addsOnly, newTurn, type RecordedTurn, tellTurn } from './turn';

/** The predecessor's limit for one message. */
export const TEXT_LENGTH_MAX = 200_000;

/** Clients try again within seconds; what is longer ago than so many conversations is begun anew. */
const BEGUN_MAX = 1_000;

/** How long the end of the router waits for a database that refuses, of the 10 s that there are for it (main.ts). */
const INTERRUPT_MS = 5_000;

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
  /** Bytes of one answer that are recorded. */
  readonly maxAnswerBytes: number;
  readonly now: () => number;
}

export function generationsService(deps: GenerationsDeps) {
  const { attachments, conversations, agents, events, firstEnded, isShown, now, held, requests, maxAnswerBytes } = deps;
  const open = new OpenAnswers();
  const refusing = new Refusing();
  const answerDeps = { attachments, conversations, events, isShown, onRefused: refusing.noted, now };
  /** Conversations of `/v1` by the agent and the message that they began with. */
  const begun = new Recent<string, string>(BEGUN_MAX);

  /** Writes the turn before anything is asked of a runner, and tells the watchers. */
  async function beginTurn(conversation: Conversation, turn: NewTurn): Promise<WrittenTurn> {
    open.take(conversation.id);
    try {
      const written = await conversations.insertTurn(turn);
      if (!written) throw new AppError('answer_running');
      tellTurn(events, conversation, turn, written);
      return written;
    } catch (error) {
      open.leave(conversation.id);
      throw error;
    }
  }

  /** Makes the recorder of an answer, which from here on can be stopped. */
  function record(conversation: Conversation, messageId: string, how: RecordOptions, waiting?: WaitingTurn): Answer {
    const { id: conversationId, userId, agentId } = conversation;
    const { isStream, onTooLarge, stop } = how;
    const share = new Share(held, userId);
    const onSaved = () => open.remove(messageId, conversationId);
    const options = { isStream, onTooLarge, maxBytes: maxAnswerBytes, share, onSaved, waiting };
    const answer = new Answer(answerDeps, { userId, conversationId, messageId }, options);
    open.add({ userId, conversationId, messageId, agentId, answer, stop });
    return answer;
  }

  /** Begins the recording of a turn. Nothing to wait for where it is stored with its answer. */
  function recorded(turn: RecordedTurn, options: RecordOptions): Soon<Answer> {
    const { conversation, text } = turn;
    const stored = newTurn(conversation, turn, now());
    const waits = addsOnly(turn) && !refusing.isLikely;
    const begin = (): Soon<unknown> => (waits ? open.take(conversation.id) : beginTurn(conversation, stored));
    return whenThere(whenThere(open.ending(conversation.id), begin), () => {
      if (text !== undefined && conversation.lastPosition === 0) {
        begun.set(beginningOf(conversation.agentId, text), conversation.id);
      }
      const written = (one: WrittenTurn) => tellTurn(events, conversation, stored, one);
      return record(conversation, stored.answerId, options, waits ? { turn: stored, written } : undefined);
    });
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
    const share = requests.take(conversation.userId);
    try {
      await open.ending(conversation.id);
      const { answer, sessionFrom } = await beginTurn(conversation, newTurn(conversation, turn, now()));
      const track = (options: RecordOptions) => {
        const recorder = record(conversation, answer.id, options);
        if (turn.beginning) void recorder.saved.promise.then(() => firstEnded(conversation));
        return recorder;
      };
      const told = { ...conversation, sessionFrom };
      produce(deps, { conversation: told, agent, messageId: answer.id, explicit }, { track, share });
      return answer;
    } catch (error) {
      share.end();
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

    /**
     * Records a turn that comes through `/v1`, whose relay does the work. One that only adds messages is stored together
     * with its answer where that ends soon, else some milliseconds later, or when its client is told of it: it costs half
     * as much. Throws `answer_running`.
     */
    record(turn: RecordedTurn, options: RecordOptions): Soon<Answer> {
      const { conversation, sent = [] } = turn;
      if (sent.length === 0) return recorded(turn, options);
      return attachments.withSent(conversation.userId, sent, (files) => recorded({ ...turn, files }, options));
    },

    /** The conversation of `/v1` that this message has begun last. */
    begunWith: (agentId: string, text: string): string | undefined => begun.get(beginningOf(agentId, text)),

    /** Stops an answer; what was written stays. Nothing happens when it has ended already. */
    async stop(messageId: string): Promise<void> {
      const one = open.find(messageId);
      if (one) await stopAll([one]);
    },

    /** Stops what is being written in a conversation. */
    stopIn: (conversationId: string): Promise<void> => stopAll(open.in(conversationId)),

    /** Stops the answers of one agent, or of all agents of one user. */
    stopOf: (owner: Owner): Promise<void> => stopAll(open.of(owner)),

    /** Resolves when the turn of what is being written in a conversation is stored. */
    written: (conversationId: string): Promise<void> => open.written(conversationId),

    /** Resolves when the turns of an owner's answers are stored: their client may know of them. */
    writtenOf: (owner: Owner): Promise<unknown> | undefined => open.writtenOf(owner),

    /** Where an answer has ended whose end is still being saved: resolves when that is done, or the database takes too long. */
    ending: (conversationId: string): Promise<unknown> | undefined => open.ending(conversationId),

    /** Resolves when what is being written in a conversation has ended and is saved. */
    async settled(conversationId: string): Promise<void> {
      await Promise.all(open.in(conversationId).map(({ answer }) => answer.saved.promise));
    },

    /** Whether an answer is begun or written in a conversation, also one whose turn is not stored yet. */
    isAnswering: (conversationId: string): boolean => open.has(conversationId),

    /** Whether the newest turn of this user's conversation is not stored as a whole, because the database refuses it. */
    isUnsaved: (userId: string, conversationId: string): boolean => open.isUnsaved(userId, conversationId),

    /** The same of an answer of this user. */
    isUnsavedAnswer: (userId: string, messageId: string): boolean => open.isUnsavedAnswer(userId, messageId),

    /** How many answers are being written. */
    get size(): number {
      return open.size;
    },

    /** The text so far of an answer that is being written. */
    textOf: (messageId: string): string | undefined => open.find(messageId)?.answer.text,

    /** The steps so far of an answer that is being written. */
    stepsOf: (messageId: string): readonly Step[] | undefined => open.find(messageId)?.answer.steps,

    /** On shutdown: ends what is being written as interrupted, with its text saved, unless the database refuses that for too long. */
    async interruptAll(): Promise<void> {
      const all = open.all();
      for (const { answer } of all) answer.end('failed', interrupted());
      await within(INTERRUPT_MS, Promise.all(all.map(({ answer }) => answer.saved.promise)));
      for (const { messageId: message, conversationId: conversation } of open.all()) {
        generationsLog.error({ message, conversation }, 'answer.not_saved');
      }
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
  return new AppError(INTERRUPTED, { message: 'The router was restarted in the middle of this answer. Try again.' });
}
