/** Conversations as files: written as Markdown or JSON, and read from that JSON. `docs/api.md` describes the JSON. */
import { Type } from '@sinclair/typebox';
import type { Agent } from '../agents/store';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { schemaProblems } from '../lib/schema-check';
import { TITLE_LENGTH_MAX } from './conversations';
import type { PostedService } from './posted';
import type { Conversation, Message } from './store';
import type { ConversationsApiStore, CountedConversation } from './store-api';

/** Bytes of a file that is read: everybody waits while it is stored, 30 ms for so much. */
export const IMPORT_BYTES_MAX = 4_194_304;
const MESSAGES_MAX = 2_000;
const FORMAT = 'agent-stack.conversation';
const VERSION = 1;
/** Of the problems of a file that are told. */
const PROBLEMS_MAX = 3;

const member = { additionalProperties: false } as const;
const call = Type.Object(
  {
    ...{ id: Type.String(), name: Type.String(), namespace: Type.Optional(Type.String()), arguments: Type.String() },
    textLengthBefore: Type.Integer({ minimum: 0 }),
    more: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  member,
);
const message = Type.Object(
  {
    role: Type.Union([Type.Literal('user'), Type.Literal('assistant'), Type.Literal('notice')], {
      rule: '"user", "assistant" or "notice"',
    }),
    content: Type.String(),
    created_at: Type.Optional(Type.Number({ minimum: 0, maximum: 8_640_000_000_000 })),
    status: Type.Optional(
      Type.Union([Type.Literal('done'), Type.Literal('stopped'), Type.Literal('failed')], {
        rule: '"done", "stopped" or "failed"',
      }),
    ),
    failure: Type.Optional(
      Type.Object(
        { code: Type.String(), message: Type.String({ maxLength: 10_000 }), hint: Type.Optional(Type.String()) },
        member,
      ),
    ),
    calls: Type.Optional(Type.Array(call, { maxItems: 1_000 })),
    results: Type.Optional(Type.Array(Type.Object({ callId: Type.String(), output: Type.String() }, member))),
  },
  member,
);
const file = Type.Object({
  format: Type.Literal(FORMAT, { rule: `"${FORMAT}"` }),
  version: Type.Literal(VERSION, { rule: String(VERSION) }),
  title: Type.Optional(Type.String()),
  messages: Type.Array(message, { minItems: 1, maxItems: MESSAGES_MAX }),
});

/** Words of a file that people read. */
export interface TransferWords {
  readonly you: string;
  readonly untitled: string;
  readonly agentName: string;
}

export type TransferService = ReturnType<typeof transferService>;

export function transferService(deps: {
  posted: PostedService;
  api: ConversationsApiStore;
  events: Events;
  now: () => number;
}) {
  const { posted, api, events, now } = deps;

  /** All shown messages, oldest first, however many: they are read while they are written. */
  async function* messagesOf(id: string): AsyncGenerator<Message> {
    for (let position = 0; ; ) {
      const some = await posted.messagesAfter(id, position);
      yield* some;
      const last = some.at(-1);
      if (!last) return;
      position = last.position;
    }
  }

  return {
    async *json(one: CountedConversation): AsyncGenerator<string> {
      const { title, backend, model } = one;
      const head = { format: FORMAT, version: VERSION, title, backend, model, created_at: one.createdAtMs / 1000 };
      yield `${JSON.stringify(head).slice(0, -1)},"messages":[`;
      let separator = '\n';
      for await (const each of messagesOf(one.id)) {
        yield separator + JSON.stringify(messageJson(each));
        separator = ',\n';
      }
      yield '\n]}\n';
    },

    async *markdown({ id, title }: CountedConversation, words: TransferWords): AsyncGenerator<string> {
      yield `# ${title || words.untitled}\n`;
      for await (const { role, content, failure, createdAtMs } of messagesOf(id)) {
        const said = [content, failure ? `*${failure.message}*` : ''].filter((text) => text !== '').join('\n\n');
        const name = role === 'user' ? words.you : words.agentName;
        yield `\n## ${name} · ${new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${said}\n`;
      }
    },

    /** Makes a conversation of a file. Throws `invalid_request` with the places of what is wrong in it. */
    async import(agent: Agent, bytes: Uint8Array): Promise<Conversation['id']> {
      const value = parseBody(bytes);
      const problems = schemaProblems('file', file, value);
      if (problems.length > 0) throw refused(problems);
      const { title = '', messages } = value as { title?: string; messages: ReturnType<typeof messageJson>[] };
      const nowMs = now();
      const id = newTimeId();
      await api.insertWhole(
        { id, userId: agent.userId, agentId: agent.id, title: title.trim().slice(0, TITLE_LENGTH_MAX), nowMs },
        messages.map(({ created_at, status = 'done', ...said }) => {
          const createdAtMs = created_at === undefined ? nowMs : Math.round(created_at * 1000);
          return { id: newTimeId(), ...said, status, createdAtMs };
        }),
      );
      events.publish(agent.userId, { kind: 'conversation', conversationId: id });
      return id;
    },
  };
}

/** What is still being written is written as far as it is. */
function messageJson({ role, content, status, failure, calls, results, createdAtMs }: Message) {
  return {
    role,
    content,
    created_at: createdAtMs / 1000,
    status: status === 'streaming' ? ('stopped' as const) : status,
    ...(failure && { failure }),
    ...(calls && { calls }),
    ...(results && { results }),
  };
}

function refused(problems: readonly string[]): AppError {
  const more = problems.length - PROBLEMS_MAX;
  const told = problems.slice(0, PROBLEMS_MAX).join('\n') + (more > 0 ? `\n… and ${more} more` : '');
  const hint = 'A conversation that was exported as JSON can be imported.';
  return new AppError('invalid_request', { message: told, hint });
}
