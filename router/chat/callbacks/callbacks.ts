/** Callbacks: what an agent says without being asked, for example that its work in the background is done. */
import type { Agent } from '../../agents/store';
import { AppError, toAppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newTimeId } from '../../lib/ids';
import type { JsonObject } from '../../lib/json';
import { createRate } from '../../lib/rate';
import { unixSeconds } from '../../lib/time';
import type { MetricsService } from '../../metrics/metrics';
import type { Work } from '../../runners/slots/slot';
import type { GenerationsService } from '../generations/generations';
import type { Conversation, ConversationsStore } from '../store/conversations';
import type { UnreadService } from '../unread';
import type { CallbacksStore } from './store';

/** Characters of a message; the predecessor's limit for what an agent says in a room. */
const CONTENT_LENGTH_MAX = 32_000;
/** Characters of its data as JSON. */
const PAYLOAD_LENGTH_MAX = 16_384;
/** The kind of a message in the conversation. The router's own kinds have no dot, so an agent's is never taken for one. */
const MESSAGE = 'message';
const OWN_KIND = /^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+$/;
const KIND_LENGTH_MAX = 64;
/** What `runtimeSessionName` puts behind the id of a conversation: an agent may know it by that name only. */
const SESSION_SUFFIX = /-\d+$/;
const EVENT_ID = /^[\x21-\x7e]{1,100}$/;
/** Events of an agent. Many messages at once are noise; the second limit bounds what a runaway agent stores. */
const PER_MINUTE = { max: 30, perMs: 60_000 };
const STORED_PER_DAY = { max: 1_000, perMs: 86_400_000 };

/** An event as an agent sends it. Members of the wrong form are refused. */
interface CallbackEvent {
  readonly conversation_id?: unknown;
  readonly role?: unknown;
  readonly kind?: unknown;
  readonly content?: unknown;
  readonly payload?: unknown;
  readonly persist?: unknown;
  readonly event_id?: unknown;
}

interface TakenCallback {
  /** Null for an event that is not stored. */
  readonly message_id: string | null;
  readonly conversation_id: string;
  /** Unix seconds. */
  readonly created_at: number;
}

/** The result of an event. `repeated`: it was sent before, and is already stored. */
type Accepted = 'stored' | 'passed_on' | 'repeated';

/** Who sends it, and the requests that its runner may be working on. */
interface Sender {
  readonly agent: Agent;
  readonly works: readonly Work[];
}

export type CallbacksService = ReturnType<typeof callbacksService>;

export function callbacksService(deps: {
  conversations: ConversationsStore;
  callbacks: CallbacksStore;
  generations: Pick<GenerationsService, 'written' | 'writtenOf'>;
  unread: UnreadService;
  events: Events;
  metrics: MetricsService;
  now: () => number;
  /** A steady clock in milliseconds. */
  steady: () => number;
}) {
  const { conversations, callbacks, generations, unread, events, metrics, now, steady } = deps;
  const countEvent = createRate(PER_MINUTE, steady, `An agent may send ${PER_MINUTE.max} events a minute`);
  const countStored = createRate(STORED_PER_DAY, steady, `An agent may send ${STORED_PER_DAY.max} messages a day`);

  /** With the turn that the agent may be working on, which is stored before what the agent says of it. */
  async function find(id: string): Promise<Conversation | undefined> {
    await generations.written(id);
    return conversations.find(id);
  }

  /** The conversation that the event names, else the one that the agent answers in, else the newest of the agent. */
  async function targetOf({ agent, works }: Sender, named: string | undefined): Promise<Conversation> {
    if (named !== undefined) {
      const found = await find(named.replace(SESSION_SUFFIX, ''));
      if (found?.agentId === agent.id && found.userId === agent.userId) return found;
      throw new AppError('not_found', {
        message: 'This agent has no such conversation. Leave "conversation_id" out to use its newest one.',
      });
    }
    const [working, ...others] = new Set(works.flatMap(({ conversationId }) => conversationId ?? []));
    const answering = working !== undefined && others.length === 0 ? await find(working) : undefined;
    if (answering && answering.expiresAtMs === null) return answering;
    await generations.writtenOf({ agentId: agent.id });
    const newest = await callbacks.newestOf(agent.id);
    const found = newest === undefined ? undefined : await find(newest);
    if (found) return found;
    throw new AppError('conflict', {
      message: 'This agent has no conversation yet. Its user has to write to it first.',
    });
  }

  /** Stores the event, or passes it on. @returns also the result, for the metrics. */
  async function accept(sender: Sender, event: CallbackEvent): Promise<readonly [Accepted, TakenCallback]> {
    const { agent } = sender;
    const { role, kind, content, payload, isStored, named, eventId } = checked(event);
    const messageId = newTimeId();
    const callbackId = `${agent.id} ${eventId ?? messageId}`;
    const before = eventId === undefined ? undefined : await callbacks.find(callbackId);
    if (before) return ['repeated', taken(before.id, before.conversationId, before.createdAtMs)];
    const { id: conversationId } = await targetOf(sender, named);
    const createdAtMs = now();
    if (!isStored) {
      const told = { id: null, conversation_id: conversationId, agent_id: agent.id, role, content, extra: payload };
      const passed = { kind, payload: { ...told, created_at: unixSeconds(createdAtMs) } };
      events.publish(agent.userId, { kind: 'callback', conversationId, event: passed });
      return ['passed_on', taken(null, conversationId, createdAtMs)];
    }
    countStored(agent.id);
    const stored = await callbacks.insert({
      ...{ id: messageId, conversationId, callbackId, role, content, extra: payload, createdAtMs },
      isSeen: unread.isShown(conversationId),
    });
    if (!stored) throw new AppError('not_found', { message: 'This conversation was deleted.' });
    if (stored.isNew) {
      events.publish(agent.userId, { kind: 'message.added', conversationId, messageId });
      events.publish(agent.userId, { kind: 'conversation', conversationId });
    }
    const outcome = stored.isNew ? 'stored' : 'repeated';
    return [outcome, taken(stored.id, stored.conversationId, stored.createdAtMs)];
  }

  return {
    /**
     * Stores an event and shows it to the agent's owner. What is not of the kind `message`, or is not to be stored, is
     * only passed to the open streams of the conversation. Throws `invalid_request`, `too_large`, `too_many_requests`,
     * `not_found` or `conflict`, with what to do, or the error of `read`.
     * @param read reads the event, unless the agent sends too many.
     */
    async take(sender: Sender, read: () => Promise<CallbackEvent>): Promise<TakenCallback> {
      const { id, backend } = sender.agent;
      try {
        countEvent(id);
        const [outcome, answer] = await accept(sender, await read());
        metrics.calledBack(backend, outcome);
        return answer;
      } catch (error) {
        metrics.calledBack(backend, 'refused', toAppError(error).code);
        throw error;
      }
    },
  };
}

/** The members in their forms, with the predecessor's defaults but for the role. */
function checked(event: CallbackEvent) {
  // Clients write `null` for a member that they leave out.
  const named = event.conversation_id ?? undefined;
  const role = event.role ?? 'notice';
  const kind = event.kind ?? MESSAGE;
  const content = event.content ?? '';
  const payload = event.payload ?? null;
  const persist = event.persist ?? true;
  const eventId = event.event_id ?? undefined;
  if (role !== 'assistant' && role !== 'notice') throw invalid('role', 'The role is "assistant" or "notice".');
  const isKind =
    typeof kind === 'string' && kind.length <= KIND_LENGTH_MAX && (kind === MESSAGE || OWN_KIND.test(kind));
  if (!isKind) {
    const own = `a name of your own with a dot in it, such as "build.progress", of at most ${KIND_LENGTH_MAX} characters`;
    throw invalid('kind', `The kind is "${MESSAGE}", or ${own}.`);
  }
  if (typeof content !== 'string') throw invalid('content', 'The content is a text.');
  if (kind === MESSAGE && content.trim() === '') throw invalid('content', 'Say something in "content".');
  if (content.length > CONTENT_LENGTH_MAX) {
    const instead = 'Write it into a file of your home, and say where it is.';
    const message = `The content has at most ${CONTENT_LENGTH_MAX} characters. ${instead}`;
    throw new AppError('too_large', { message, param: 'content' });
  }
  if (typeof payload !== 'object' || Array.isArray(payload)) throw invalid('payload', 'The payload is a JSON object.');
  if (JSON.stringify(payload).length > PAYLOAD_LENGTH_MAX) {
    const message = `The payload has at most ${PAYLOAD_LENGTH_MAX} characters as JSON.`;
    throw new AppError('too_large', { message, param: 'payload' });
  }
  if (typeof persist !== 'boolean') throw invalid('persist', '"persist" is true or false.');
  if (named !== undefined && typeof named !== 'string')
    throw invalid('conversation_id', '"conversation_id" is a text.');
  if (eventId !== undefined && (typeof eventId !== 'string' || !EVENT_ID.test(eventId))) {
    throw invalid('event_id', '"event_id" has 1 to 100 visible ASCII characters.');
  }
  const isStored = kind === MESSAGE && persist;
  return { role, kind, content, payload: payload as JsonObject | null, isStored, named, eventId } as const;
}

function taken(messageId: string | null, conversationId: string, createdAtMs: number): TakenCallback {
  return { message_id: messageId, conversation_id: conversationId, created_at: unixSeconds(createdAtMs) };
}

function invalid(param: string, message: string): AppError {
  return new AppError('invalid_request', { message, param });
}
