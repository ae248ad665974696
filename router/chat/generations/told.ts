/**
 * What a runtime is told of messages, with their files: as OpenAI's content parts, a picture as a data URI and a text with
 * its name. Only the files of the newest messages are told again; a note stands in for those of older ones.
 *
 * The bytes are not in the messages: marks stand for them until the body is written, so that what a backend is not sent is
 * not read, and a long text of base64 is never searched or copied as a part of JSON.
 */
import { isLink, isPicture, TEXT_TYPE } from '../../attachments/kinds';
import type { Backend } from '../../backends/backends';
import type { ChatMessage } from '../../backends/shape';
import type { Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { newId } from '../../lib/ids';
import type { AttachmentsService } from '../attachments/attachments';
import type { Attachment } from '../attachments/store';
import type { ConversationsStore, Message } from '../store/conversations';
import { picturesAsWords } from './answer-pictures';

type Said = Pick<Message, 'id' | 'role' | 'content'>;
type Part = { readonly type: string; readonly [member: string]: unknown };
/** Members of the messages that a runtime is told, by the ids of these messages. */
export type ToldThoughts = ReadonlyMap<string, Readonly<Record<string, string>>>;
/** Copies of a file in memory: its bytes, their base64, and the body that contains it. */
const COPIES = 3;

export class ToldFiles {
  /** Nothing that a user writes can be a mark. */
  readonly #secret = newId();
  readonly #marked: { readonly file: Attachment; readonly isBase64: boolean }[] = [];
  readonly #blobs: AttachmentsService['blobs'];

  constructor(attachments: Pick<AttachmentsService, 'blobs'>) {
    this.#blobs = attachments.blobs;
  }

  /** The content of a message with files: its text, then each file after a line with its name. */
  content(text: string, files: readonly Attachment[]): string | readonly Part[] {
    const parts = files.flatMap((file) => {
      if (isLink(file)) return [{ type: 'image_url', image_url: { url: file.name } }];
      const head = `\n\n${labelOf(file)}:`;
      if (!isPicture(file)) return [textPart(`${head}\n\n${this.#mark(file, false)}`)];
      return [textPart(head), { type: 'image_url', image_url: { url: this.#uri(file) } }];
    });
    return parts.length === 0 ? text : [textPart(text), ...parts];
  }

  /** The content of an item of `/v1/responses`: the text of a message and its files, each as a client gives it. */
  input(text: string, files: readonly Attachment[]): readonly Part[] {
    const said = text === '' && files.length > 0 ? [] : [{ type: 'input_text', text }];
    const parts = files.map((file) => {
      if (isLink(file)) return { type: 'input_image', detail: 'auto', image_url: file.name };
      if (isPicture(file)) return { type: 'input_image', detail: 'auto', image_url: this.#uri(file) };
      return { type: 'input_file', filename: file.name, file_data: this.#uri(file) };
    });
    return [...said, ...parts];
  }

  #uri(file: Attachment): string {
    return `data:${isPicture(file) ? file.type : TEXT_TYPE};base64,${this.#mark(file, true)}`;
  }

  #mark(file: Attachment, isBase64: boolean): string {
    return `[${this.#secret}:${this.#marked.push({ file, isBase64 }) - 1}]`;
  }

  /**
   * The body as JSON, with the bytes of the files that are in it.
   * @param share charged with what it takes. Throws the error with which it refuses, and `storage_failed`.
   */
  async write(body: object, share: Share): Promise<string | Uint8Array<ArrayBuffer>> {
    const json = JSON.stringify(body);
    if (this.#marked.length === 0) return json;
    const pieces = json.split(new RegExp(`\\[${this.#secret}:(\\d+)\\]`));
    const marks = pieces.map((piece, index) => (index % 2 === 1 ? this.#marked[Number(piece)] : undefined));
    const bytes = marks.reduce((sum, mark) => sum + (mark?.file.bytes ?? 0), 0);
    const refusal = bytes > 0 ? share.grow(COPIES * bytes) : undefined;
    if (refusal) throw refusal;
    const written: Uint8Array[] = [];
    for (const [index, piece] of pieces.entries()) {
      const mark = marks[index];
      written.push(mark ? await this.#bytesOf(mark) : Buffer.from(piece));
    }
    return new Uint8Array(Buffer.concat(written));
  }

  /** As they stand inside a string of JSON. */
  async #bytesOf({ file, isBase64 }: { file: Attachment; isBase64: boolean }): Promise<Uint8Array> {
    const content = await this.#blobs
      .file(file.hash)
      .bytes()
      .catch((cause: unknown) => {
        throw new AppError('storage_failed', { message: `The file "${file.name}" cannot be read.`, cause });
      });
    if (isBase64) return Buffer.from(Buffer.from(content).toString('base64'), 'latin1');
    return Buffer.from(JSON.stringify(Buffer.from(content).toString()).slice(1, -1));
  }
}

/**
 * The messages of a conversation as a runtime is told them. Messages without a word and a file are left out.
 * @param said oldest first.
 */
export async function toldMessages(
  attachments: AttachmentsService,
  said: readonly Said[],
  thoughts: ToldThoughts,
): Promise<{ readonly messages: ChatMessage[]; readonly files: ToldFiles }> {
  const { spoken, contents, files } = await toldContents(attachments, said);
  return { messages: spoken.map(({ id, role }) => ({ role, content: contents.get(id), ...thoughts.get(id) })), files };
}

/**
 * What a backend is told of the thoughts for these answers: nothing, unless it names the member for them.
 * @param said neighbours, oldest first; on another path than the shown one if `path` is given.
 */
export async function toldThoughts(
  conversations: Pick<ConversationsStore, 'thoughts'>,
  { historyReasoning: member }: Pick<Backend, 'historyReasoning'>,
  said: readonly Message[],
  path?: readonly number[],
): Promise<ToldThoughts> {
  if (!member) return new Map();
  const thoughts = await conversations.thoughts(said, path);
  return new Map([...thoughts].map(([id, text]) => [id, { [member]: text }]));
}

/** The contents of the messages, by their ids. @returns also those that say something. */
export async function toldContents(
  attachments: AttachmentsService,
  said: readonly Said[],
): Promise<{
  readonly spoken: readonly Said[];
  readonly contents: ReadonlyMap<string, ChatMessage['content']>;
  readonly files: ToldFiles;
}> {
  const files = new ToldFiles(attachments);
  const all = await attachments.ofMessages(said);
  const spoken = said.filter(({ id, content }) => content !== '' || all.has(id));
  const told = await tellable(attachments, spoken, all);
  // A message of an assistant has no pictures in OpenAI's API, so they are sent with the next message of the user.
  let ofAnswer: readonly Attachment[] = [];
  const contents = new Map<string, ChatMessage['content']>();
  for (const { id, role, content } of spoken) {
    const own = all.get(id) ?? [];
    if (role !== 'user') {
      ofAnswer = own.filter((file) => told.has(file));
      contents.set(id, picturesAsWords(content));
      continue;
    }
    const notes = own.filter((file) => !told.has(file)).map(noteOf);
    const parts = [...ofAnswer, ...own.filter((file) => told.has(file))];
    ofAnswer = [];
    contents.set(id, files.content(content + notes.join(''), parts));
  }
  return { spoken, contents, files };
}

/** Returns the files of the newest messages, up to the limit of a request. Those of the newest one are always sent. */
async function tellable(
  { blobs, limits, toldMessages: messagesMax }: AttachmentsService,
  said: readonly Pick<Message, 'id'>[],
  all: ReadonlyMap<string, readonly Attachment[]>,
): Promise<ReadonlySet<Attachment>> {
  const told = new Set<Attachment>();
  let bytes = 0;
  for (const { id } of said.slice(-Math.max(1, messagesMax)).reverse()) {
    for (const file of all.get(id) ?? []) {
      bytes += file.bytes;
      if (bytes > limits.messageBytesMax) return told;
      if (id === said.at(-1)?.id || (await blobs.has(file.hash))) told.add(file);
    }
  }
  return told;
}

function labelOf({ name, type, bytes }: Attachment): string {
  if (isLink({ type })) return `Picture at ${name}`;
  return `File "${name}" (${type}, ${bytes} bytes)`;
}

function noteOf(file: Attachment): string {
  return `\n\n[${labelOf(file)} was here.]`;
}

function textPart(text: string): Part {
  return { type: 'text', text };
}
