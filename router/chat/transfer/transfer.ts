/** Conversations as files: written as JSON or Markdown, and made of that JSON. */
import type { Agent } from '../../agents/store';
import { isLink } from '../../attachments/kinds';
import type { Events } from '../../lib/events';
import { newTimeId } from '../../lib/ids';
import { generationsLog } from '../../lib/log';
import type { CountedConversation } from '../api/counted-store';
import type { PostedService } from '../api/posted';
import type { ConversationsApiStore, WholeMessageToInsert } from '../api/store';
import type { TellingMessage } from '../api/whole-store';
import type { AttachmentsService } from '../attachments/attachments';
import type { Attachment, KeptFile } from '../attachments/store';
import { TITLE_LENGTH_MAX } from '../conversations';
import type { Conversation } from '../store/conversations';
import { type FileMessage, FORMAT, messageJson, readFile, VERSION } from './file';
import { messageMarkdown, type TransferWords } from './markdown';

/** The address of a file in the text of a message. */
const ADDRESS = /(?<=\]\(\/api\/attachments\/)[0-9a-f]{24}/g;
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

  /** The files of a message as members of its JSON, each in pieces of its own. Those that cannot be read are named. */
  async function* filesJson(files: readonly Attachment[]): AsyncGenerator<string> {
    const missing: Pick<Attachment, 'id' | 'name' | 'type'>[] = [];
    let count = 0;
    for (const { id, name, type, hash } of files) {
      const bytes = await attachments.blobs
        .file(hash)
        .bytes()
        .catch((error) => void generationsLog.error({ attachment: id, err: error }, 'file.unreadable'));
      if (!bytes) {
        missing.push({ id, name, type });
        continue;
      }
      yield `${count === 0 ? ',"attachments":[' : ','}${JSON.stringify({ id, name, type }).slice(0, -1)},"data":"`;
      yield Buffer.from(bytes).toString('base64');
      yield '"}';
      count += 1;
    }
    if (count > 0) yield ']';
    if (missing.length > 0) yield `,"missing_files":${JSON.stringify(missing)}`;
  }

  /** A message of a file. Its files get new ids, which are then those in its text. */
  async function toInsert(one: FileMessage, nowMs: number): Promise<WholeMessageToInsert> {
    const { created_at, status = 'done', attachments: sent = [], missing_files: _, follows, hidden, ...said } = one;
    const createdAtMs = created_at === undefined ? nowMs : Math.round(created_at * 1000);
    const files: KeptFile[] = [];
    const ids = new Map<string, string>();
    for (const { id: before, name, type = '', data } of sent) {
      const id = newTimeId();
      const bytes = Buffer.from(data, 'base64');
      const kept = isLink({ type })
        ? await attachments.keepLink(bytes.toString())
        : await attachments.keepOne({ name, bytes });
      files.push({ ...kept, id });
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
        yield messageMarkdown(message, files, words);
      }
    },

    /** Makes a conversation of a file. Throws `invalid_request` with the places of what is wrong in it. */
    async import(agent: Agent, bytes: Uint8Array): Promise<Conversation['id']> {
      const { title, messages } = readFile(bytes);
      const files = messages.flatMap((one) => one.attachments ?? []);
      const fileBytes = files.reduce((sum, { data }) => sum + Buffer.byteLength(data, 'base64'), 0);
      using _room = fileBytes > 0 ? await attachments.takeRoom(agent.userId, fileBytes) : undefined;
      const nowMs = now();
      const id = newTimeId();
      const said: WholeMessageToInsert[] = [];
      for (const one of messages) said.push(await toInsert(one, nowMs));
      await api.insertWhole(
        { id, userId: agent.userId, agentId: agent.id, title: title.trim().slice(0, TITLE_LENGTH_MAX), nowMs },
        said,
      );
      events.publish(agent.userId, { kind: 'conversation', conversationId: id });
      return id;
    },
  };
}
