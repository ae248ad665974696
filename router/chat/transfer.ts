/** Conversations as files: written as Markdown or JSON, and read from that JSON. `docs/api.md` describes the JSON. */
import { Type } from '@sinclair/typebox';
import type { Agent } from '../agents/store';
import { isLink } from '../attachments/kinds';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newTimeId } from '../lib/ids';
import { parseBody } from '../lib/json';
import { schemaProblems } from '../lib/schema-check';
import { picturesAsWords } from './answer-pictures';
import type { AttachmentsService } from './attachments';
import { TITLE_LENGTH_MAX } from './conversations';
import type { PostedService } from './posted';
import type { Conversation, Step } from './store';
import type { ConversationsApiStore, CountedConversation, TellingMessage, WholeMessageToInsert } from './store-api';
import type { Attachment, KeptFile } from './store-attachments';

/** Bytes of a file without its attachments, however many these are: everybody waits while it is read. */
const IMPORT_BYTES_MAX = 4_194_304;
const MESSAGES_MAX = 10_000;
/** The address of a file in the text of a message. */
const ADDRESS = /(?<=\]\(\/api\/attachments\/)[0-9a-f]{24}/g;
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
const attachment = Type.Object(
  { id: Type.Optional(Type.String()), name: Type.String(), type: Type.Optional(Type.String()), data: Type.String() },
  member,
);
const ms = Type.Integer({ minimum: 0 });
const step = Type.Union([
  Type.Object(
    {
      ...{ kind: Type.Literal('thought'), text: Type.String(), tookMs: Type.Optional(ms) },
      isTagged: Type.Optional(Type.Literal(true)),
    },
    member,
  ),
  Type.Object(
    {
      ...{ kind: Type.Literal('tool'), name: Type.String(), arguments: Type.String(), tookMs: Type.Optional(ms) },
      ...{ result: Type.Optional(Type.String()), isEnded: Type.Optional(Type.Literal(true)) },
    },
    member,
  ),
]);
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
    steps: Type.Optional(Type.Array(step, { maxItems: 1_000 })),
    follows: Type.Optional(Type.Integer({ minimum: 0 })),
    hidden: Type.Optional(Type.Boolean()),
    attachments: Type.Optional(Type.Array(attachment, { maxItems: 100 })),
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
  readonly thought: string;
  readonly used: string;
}

export type TransferService = ReturnType<typeof transferService>;

export function transferService(deps: {
  attachments: AttachmentsService;
  posted: PostedService;
  api: ConversationsApiStore;
  events: Events;
  now: () => number;
}) {
  const { attachments, posted, api, events, now } = deps;

  /** All shown messages, or all, with their files, oldest first, however many: they are read while they are written. */
  async function* messagesOf(
    id: string,
    options?: { readonly withHidden: boolean },
  ): AsyncGenerator<{ message: TellingMessage; files: readonly Attachment[] }> {
    for (let position = 0; ; ) {
      const some = await posted.messagesAfter(id, position, options);
      const files = await attachments.ofMessages(some);
      for (const message of some) yield { message, files: files.get(message.id) ?? [] };
      const last = some.at(-1);
      if (!last) return;
      position = last.position;
    }
  }

  /** The files of a message as members of its JSON, each in pieces of its own. */
  async function* filesJson(files: readonly Attachment[]): AsyncGenerator<string> {
    for (const [index, { id, name, type, hash }] of files.entries()) {
      yield `${index === 0 ? ',"attachments":[' : ','}${JSON.stringify({ id, name, type }).slice(0, -1)},"data":"`;
      yield Buffer.from(await attachments.blobs.file(hash).bytes()).toString('base64');
      yield index === files.length - 1 ? '"}]' : '"}';
    }
  }

  /** A message of a file. Its files get new ids, which are then those in its text. */
  async function toInsert(userId: string, one: FileMessage, nowMs: number): Promise<WholeMessageToInsert> {
    const { created_at, status = 'done', attachments: sent = [], follows, hidden, ...said } = one;
    const createdAtMs = created_at === undefined ? nowMs : Math.round(created_at * 1000);
    const files: KeptFile[] = [];
    const ids = new Map<string, string>();
    for (const { id: before, name, type = '', data } of sent) {
      const id = newTimeId();
      const bytes = Buffer.from(data, 'base64');
      const kept = isLink({ type })
        ? [await attachments.keepLink(bytes.toString())]
        : await attachments.keep(userId, [{ name, bytes }]);
      files.push(...kept.map((file) => ({ ...file, id })));
      if (before) ids.set(before, id);
    }
    const content =
      ids.size === 0 ? said.content : said.content.replace(ADDRESS, (before) => ids.get(before) ?? before);
    const place = { ...(follows !== undefined && { parent: follows }), isHidden: hidden ?? false };
    return { id: newTimeId(), ...said, ...place, content, status, createdAtMs, files };
  }

  return {
    async *json(one: CountedConversation): AsyncGenerator<string> {
      const { title, backend, model } = one;
      const head = { format: FORMAT, version: VERSION, title, backend, model, created_at: one.createdAtMs / 1000 };
      yield `${JSON.stringify(head).slice(0, -1)},"messages":[`;
      let separator = '\n';
      const numbers = new Map([[0, 0]]);
      for await (const { message, files } of messagesOf(one.id, { withHidden: true })) {
        numbers.set(message.position, numbers.size);
        const follows = message.parent === null ? undefined : (numbers.get(message.parent) ?? 0);
        yield `${separator}${JSON.stringify(messageJson(message, follows)).slice(0, -1)}`;
        yield* filesJson(files);
        yield '}';
        separator = ',\n';
      }
      yield '\n]}\n';
    },

    async *markdown({ id, title }: CountedConversation, words: TransferWords): AsyncGenerator<string> {
      yield `# ${title || words.untitled}\n`;
      for await (const { message, files } of messagesOf(id)) {
        const { role, content, failure, createdAtMs } = message;
        const names = role === 'user' ? files.map((file) => `*${file.name}*`) : [];
        const did = (message.steps ?? []).map((step) => stepText(step, words));
        const said = [...names, ...did, picturesAsWords(content), failure ? `*${failure.message}*` : '']
          .filter((text) => text !== '')
          .join('\n\n');
        const name = role === 'user' ? words.you : words.agentName;
        yield `\n## ${name} · ${new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${said}\n`;
      }
    },

    /** Makes a conversation of a file. Throws `invalid_request` with the places of what is wrong in it. */
    async import(agent: Agent, bytes: Uint8Array): Promise<Conversation['id']> {
      const value = parseBody(bytes);
      const problems = schemaProblems('file', file, value);
      if (problems.length > 0) throw refused(problems);
      const { title = '', messages } = value as { title?: string; messages: FileMessage[] };
      const misplaced = placeProblems(messages);
      if (misplaced.length > 0) throw refused(misplaced);
      const files = messages.flatMap((one) => one.attachments ?? []);
      const dataLength = files.reduce((sum, { data }) => sum + data.length, 0);
      if (bytes.length - dataLength > IMPORT_BYTES_MAX) {
        const message = `A conversation that is imported has at most ${IMPORT_BYTES_MAX} bytes without attached files.`;
        throw new AppError('too_large', { message });
      }
      const fileBytes = files.reduce((sum, { data }) => sum + Buffer.byteLength(data, 'base64'), 0);
      if (fileBytes > 0) await attachments.checkRoom(agent.userId, fileBytes);
      const nowMs = now();
      const id = newTimeId();
      const said: WholeMessageToInsert[] = [];
      for (const one of messages) said.push(await toInsert(agent.userId, one, nowMs));
      await api.insertWhole(
        { id, userId: agent.userId, agentId: agent.id, title: title.trim().slice(0, TITLE_LENGTH_MAX), nowMs },
        said,
      );
      events.publish(agent.userId, { kind: 'conversation', conversationId: id });
      return id;
    },
  };
}

/** A message as it stands in a file. */
type FileMessage = ReturnType<typeof messageJson> & {
  readonly attachments?: readonly {
    readonly id?: string;
    readonly name: string;
    readonly type?: string;
    readonly data: string;
  }[];
};

/** What is still being written is written as far as it is. */
function messageJson(message: TellingMessage, follows?: number) {
  const { role, content, status, failure, calls, results, createdAtMs, steps, isHidden } = message;
  return {
    role,
    content,
    created_at: createdAtMs / 1000,
    status: status === 'streaming' ? ('stopped' as const) : status,
    ...(failure && { failure }),
    ...(calls && { calls }),
    ...(results && { results }),
    ...(steps && { steps }),
    ...(follows !== undefined && { follows }),
    ...(isHidden && { hidden: true }),
  };
}

/** A step in Markdown, folded where a reader knows `<details>`. */
function stepText(step: Step, words: TransferWords): string {
  const title = step.kind === 'thought' ? words.thought : `${words.used} ${plainName(step.name)}`;
  const details =
    step.kind === 'thought' ? [step.text] : [step.arguments, step.result ?? ''].filter(Boolean).map(fenced);
  return ['<details>', `<summary>${title}</summary>`, '', details.join('\n\n'), '', '</details>'].join('\n');
}

function plainName(name: string): string {
  return name.replace(/[^\p{L}\p{N}_.:-]/gu, ' ');
}

/** A block of code whose fence is longer than any in it. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

/**
 * What is wrong with the places of the messages of a file: each follows one before it, and those that are not hidden are
 * one path.
 */
function placeProblems(messages: readonly FileMessage[]): string[] {
  const problems: string[] = [];
  let shown = 0;
  for (const [index, { follows = index, hidden }] of messages.entries()) {
    if (follows > index) problems.push(`file/messages/${index}/follows: expected at most ${index} (got ${follows})`);
    else if (!hidden && follows !== shown && follows !== index) {
      problems.push(
        `file/messages/${index}/hidden: expected true, because it does not follow the shown message ${shown}`,
      );
    }
    if (!hidden) shown = index + 1;
  }
  return problems;
}

function refused(problems: readonly string[]): AppError {
  const more = problems.length - PROBLEMS_MAX;
  const told = problems.slice(0, PROBLEMS_MAX).join('\n') + (more > 0 ? `\n… and ${more} more` : '');
  const hint = 'A conversation that was exported as JSON can be imported.';
  return new AppError('invalid_request', { message: told, hint });
}
