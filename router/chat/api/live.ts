/**
 * The stream of `/api/conversations/{id}/stream`: each message once it is whole, in the order of the conversation. The id
 * of an event is the position of the newest message that was sent, so that a client which comes back gets the rest: `seenIn` in
 * `routes.ts` reads its `Last-Event-ID`.
 */
import type { Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import type { Backend } from '../../backends/backends';
import type { Events, RouterEvent } from '../../lib/events';
import { httpLog } from '../../lib/log';
import { unixSeconds } from '../../lib/time';
import { runnerAddress } from '../../runners/api/present';
import type { RunnersService } from '../../runners/runners';
import type { Incoming } from '../../web/patience';
import type { OpenStreams } from '../../web/streams/open-streams';
import { type EventWriter, eventStream } from '../../web/streams/sse';
import type { AttachmentsService } from '../attachments/attachments';
import type { ConversationsService } from '../conversations';
import type { Conversation } from '../store/conversations';
import type { PostedService } from './posted';
import { messageJson } from './present';

export interface ConversationStreamDeps {
  readonly attachments: AttachmentsService;
  readonly backends: { find(name: string): Backend | undefined };
  readonly conversations: ConversationsService;
  readonly events: Events;
  readonly installationId: string;
  readonly now: () => number;
  readonly posted: PostedService;
  readonly runners: RunnersService;
  readonly streams: OpenStreams;
}

interface PassedEvent {
  readonly kind: string;
  readonly payload?: object;
}

/** Events that wait for a slow client. Beyond it, the oldest are dropped: they are not kept for anybody. */
const PASSING_MAX = 100;

interface Streamed {
  readonly who: Who;
  readonly conversation: Conversation;
  readonly agent: Agent;
  /** Messages after this position are sent. */
  readonly after: number;
}

export function conversationStream(deps: ConversationStreamDeps, incoming: Incoming, streamed: Streamed): Response {
  return eventStream(incoming, (writer) => {
    const { user, credentialId } = streamed.who;
    // First: it may refuse.
    const open = deps.streams.addLive({ userId: user.id, credentialId }, writer);
    const stream = new ConversationStream(deps, streamed, writer);
    const unsubscribe = deps.events.subscribe(user.id, (event) => stream.onEvent(event));
    stream.begin();
    return () => {
      stream.isClosed = true;
      unsubscribe();
      open.end();
    };
  });
}

class ConversationStream {
  isClosed = false;
  #position: number;
  #isRunning: boolean;
  #isWorking = false;
  #hasChanged = false;
  /** Events of the agent that are passed on without being stored. */
  readonly #passing: PassedEvent[] = [];

  constructor(
    readonly deps: ConversationStreamDeps,
    readonly streamed: Streamed,
    readonly writer: EventWriter,
  ) {
    this.#position = streamed.after;
    this.#isRunning = this.#running();
  }

  begin(): void {
    void this.#send({ kind: 'hello' });
    this.#wake();
  }

  onEvent(event: RouterEvent): void {
    const { agent, conversation } = this.streamed;
    if (event.kind === 'runner' && event.agentId === agent.id) this.#wake();
    // This stream sends whole messages only.
    if (event.kind === 'message.grew' || !('conversationId' in event)) return;
    if (event.conversationId !== conversation.id) return;
    if (event.kind === 'callback') {
      this.#passing.push(event.event);
      if (this.#passing.length > PASSING_MAX) this.#passing.shift();
    }
    if (event.kind === 'path') this.#position = Math.min(this.#position, event.after);
    this.#wake();
  }

  /** Looks at what has changed, now or after the look that is under way. */
  #wake(): void {
    this.#hasChanged = true;
    if (this.#isWorking) return;
    this.#work().catch((error: unknown) => {
      httpLog.error({ err: error }, 'conversation_stream.broke');
      // The client reconnects with the id of the last event that it has.
      this.writer.close();
    });
  }

  /** Its last step notes that it is over: an event that comes after the last look is looked at by the next. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    const told = this.deps.streams.tell();
    try {
      while (this.#hasChanged && !this.isClosed) {
        this.#hasChanged = false;
        await this.#tellChanges();
      }
    } finally {
      this.#isWorking = false;
      told();
    }
  }

  async #tellChanges(): Promise<void> {
    const { conversation } = this.streamed;
    if (!(await this.deps.conversations.find(conversation.userId, conversation.id))) return this.writer.close();
    await this.#tellMessages();
    await this.#tellRunner();
    for (let one = this.#passing.shift(); one && !this.isClosed; one = this.#passing.shift()) await this.#send(one);
  }

  async #tellMessages(): Promise<void> {
    const { agent, conversation } = this.streamed;
    const { id } = conversation;
    for (;;) {
      let toldTo = this.#position;
      const messages = await this.deps.posted.messagesAfter(id, toldTo);
      const files = await this.deps.attachments.ofMessages(messages);
      for (const message of messages) {
        if (message.status === 'streaming' || this.isClosed) return;
        // Other messages are shown now, and these may not be.
        if (this.#position !== toldTo) break;
        toldTo = this.#position = message.position;
        const unasked = message.callbackId === null ? {} : { agent_id: agent.id };
        const told = messageJson(message, files.get(message.id));
        await this.#send({ kind: 'message', payload: { ...told, conversation_id: id, ...unasked } });
      }
      if (messages.length === 0) return;
    }
  }

  async #tellRunner(): Promise<void> {
    const running = this.#running();
    if (running === this.#isRunning || this.isClosed) return;
    this.#isRunning = running;
    const { agent } = this.streamed;
    const { backends, installationId, now } = this.deps;
    const found = this.deps.runners.findRunning(agent.id);
    const address = running && found && runnerAddress(installationId, backends.find(agent.backend), found.runner);
    const payload = {
      ...{ agent_id: agent.id, backend: agent.backend, running },
      ...(address && { container_name: address.container_name }),
      ts: unixSeconds(now()),
    };
    await this.#send({ kind: 'runner_status', payload });
  }

  #running(): boolean {
    return this.deps.runners.status(this.streamed.agent.id).state === 'running';
  }

  #send(event: PassedEvent): Promise<void> {
    return this.writer.send({ id: String(this.#position), data: JSON.stringify(event) });
  }
}
