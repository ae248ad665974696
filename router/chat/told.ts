/**
 * What a runtime is told of messages, with their files: as OpenAI's content parts, a picture as a data URI and a text with
 * its name. Only the files of the newest messages are told again; a note stands in for those of older ones.
 *
 * The bytes are not in the messages: marks stand for them until the body is written, so that what a backend is not sent is
 * not read, and a long text of base64 is never searched or copied as a part of JSON.
 */
import { isPicture } from '../attachments/kinds';
import type { ChatMessage } from '../backends/shape';
import type { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { newId } from '../lib/ids';
import { picturesAsWords } from './answer-pictures';
import type { AttachmentsService } from './attachments';
import type { Message } from './store';
import type { Attachment } from './store-attachments';

type Said = Pick<Message, 'id' | 'role' | 'content'>;
type Part = { readonly type: string; readonly [member: string]: unknown };
/** Beside its bytes as they are: base64, and the body that it is a part of. */
const COPIES = 3;

export class ToldFiles {
  /** Nothing that a user writes can be a mark. */
  readonly #secret = newId();
  readonly #marked: Attachment[] = [];
  readonly #blobs: AttachmentsService['blobs'];

  constructor(attachments: Pick<AttachmentsService, 'blobs'>) {
    this.#blobs = attachments.blobs;
  }

  /** The content of a message with files: its text, then each file after a line with its name. */
  content(text: string, files: readonly Attachment[]): string | readonly Part[] {
    const parts = files.flatMap((file) => {
      const head = `\n\n${labelOf(file)}:`;
      if (!isPicture(file)) return [textPart(`${head}\n\n${this.#mark(file)}`)];
      const url = `data:${file.type};base64,${this.#mark(file)}`;
      return [textPart(head), { type: 'image_url', image_url: { url } }];
    });
    return parts.length === 0 ? text : [textPart(text), ...parts];
  }

  #mark(file: Attachment): string {
    return `[${this.#secret}:${this.#marked.push(file) - 1}]`;
  }

  /**
   * The body as JSON, with the bytes of the files that are in it.
   * @param share charged with what it takes. Throws the error with which it refuses, and `storage_failed`.
   */
  async write(body: object, share: Share): Promise<string | Uint8Array<ArrayBuffer>> {
    const json = JSON.stringify(body);
    if (this.#marked.length === 0) return json;
    const pieces = json.split(new RegExp(`\\[${this.#secret}:(\\d+)\\]`));
    const files = pieces.map((piece, index) => (index % 2 === 1 ? this.#marked[Number(piece)] : undefined));
    const bytes = files.reduce((sum, file) => sum + (file?.bytes ?? 0), 0);
    const refusal = bytes > 0 ? share.grow(COPIES * bytes) : undefined;
    if (refusal) throw refusal;
    const written: Uint8Array[] = [];
    for (const [index, piece] of pieces.entries()) {
      const file = files[index];
      written.push(file ? await this.#bytesOf(file) : Buffer.from(piece));
    }
    return new Uint8Array(Buffer.concat(written));
  }

  /** As they stand inside a string of JSON. */
  async #bytesOf(file: Attachment): Promise<Uint8Array> {
    const content = await this.#blobs
      .file(file.hash)
      .bytes()
      .catch((cause: unknown) => {
        throw new AppError('storage_failed', { message: `The file "${file.name}" cannot be read.`, cause });
      });
    if (isPicture(file)) return Buffer.from(Buffer.from(content).toString('base64'), 'latin1');
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
): Promise<{ readonly messages: ChatMessage[]; readonly files: ToldFiles }> {
  const { spoken, contents, files } = await toldContents(attachments, said);
  return { messages: spoken.map(({ id, role }) => ({ role, content: contents.get(id) })), files };
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
  // A message of an assistant has no pictures in OpenAI's API, so they come with what is said next.
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

/** Those of the newest messages, as far as a request may have them. Those of the newest one are always told. */
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
  return `File "${name}" (${type}, ${bytes} bytes)`;
}

function noteOf(file: Attachment): string {
  return `\n\n[${labelOf(file)} was here.]`;
}

function textPart(text: string): Part {
  return { type: 'text', text };
}
