/**
 * Files of messages. A content is stored once, whoever attaches it and how often; it goes when no message has it any
 * more, also when that went with a conversation or an account.
 */
import { type Blobs, hashOf } from '../../attachments/blobs';
import { attachableKind, isPicture, LINK_TYPE, pictureAddress } from '../../attachments/kinds';
import type { SentFile } from '../../backends/shape';
import type { Config } from '../../config/config';
import { AppError } from '../../lib/errors';
import { newTimeId } from '../../lib/ids';
import { generationsLog } from '../../lib/log';
import type { AnswerPicture } from '../generations/answer-pictures';
import type { Conversation } from '../store/conversations';
import type { Attachment, AttachmentPlace, AttachmentsStore, KeptFile } from './store';

/** Characters of a name. */
const NAME_LENGTH_MAX = 200;
/** A text is a part of the message, so it cannot be as long as a picture. */
const TEXT_BYTES_MAX = 1_048_576;
/** The share of a request's bytes that its files may be: base64 makes four bytes of three. */
const SHARE_OF_BODY = 0.7;
/** How long a content without a row stays: longer than a backup takes, which copies the rows first. */
const LOOSE_MS = 3_600_000;
/** How long a file waits for its message. */
const WAITING_MS = 86_400_000;
/** How long removing files may go on before others have their turn. */
const REMOVE_MS = 10;

/** A file as it was sent. */
interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type AttachmentsService = ReturnType<typeof attachmentsService>;

export function attachmentsService(deps: {
  store: AttachmentsStore;
  blobs: Blobs;
  config: Pick<Config, 'attachments' | 'maxBodyBytes'>;
  now: () => number;
}) {
  const { store, blobs, now } = deps;
  const { countMax, userBytesMax, toldMessages } = deps.config.attachments;
  const messageBytesMax = Math.floor(deps.config.maxBodyBytes * SHARE_OF_BODY);
  const bytesMax = Math.min(deps.config.attachments.bytesMax, messageBytesMax);

  async function keepOne({ name, bytes }: GivenFile): Promise<KeptFile> {
    const shown = nameOf(name);
    if (bytes.length > bytesMax) throw tooLarge(shown, bytesMax);
    if (bytes.length === 0) throw new AppError('invalid_request', { message: `The file "${shown}" is empty.` });
    const kind = attachableKind(bytes);
    if (!kind) {
      const message = `The file "${shown}" is neither a picture (PNG, JPEG, GIF or WebP) nor text.`;
      throw new AppError('unsupported_media_type', { message });
    }
    if (!isPicture(kind) && bytes.length > TEXT_BYTES_MAX) throw tooLarge(shown, TEXT_BYTES_MAX);
    return { hash: await put(bytes), name: shown, bytes: bytes.length, ...kind };
  }

  async function put(bytes: Uint8Array): Promise<string> {
    const hash = await hashOf(bytes);
    await store.loosen(hash, now());
    await blobs.put(hash, bytes);
    return hash;
  }

  /** Keeps the address of a picture elsewhere, which is never fetched. Throws `invalid_request` for another text. */
  async function keepLink(text: string): Promise<KeptFile> {
    const address = pictureAddress(text);
    if (address === undefined) throw new AppError('invalid_request', { message: 'This is no address of a picture.' });
    const bytes = new TextEncoder().encode(address);
    return { hash: await put(bytes), name: address, bytes: bytes.length, type: LINK_TYPE, width: null, height: null };
  }

  /** Throws `too_large` if the user's files may not grow by this many bytes. */
  async function checkRoom(userId: string, bytes: number): Promise<void> {
    if ((await store.bytesOf(userId)) + bytes <= userBytesMax) return;
    const message = `Your files would take more than ${sizeText(userBytesMax)}. Delete conversations with files first.`;
    throw new AppError('too_large', { message });
  }

  /**
   * Stores the contents of the files of one message, of which it has some already. Throws `too_large`,
   * `unsupported_media_type` or `invalid_request` with the name of the file that cannot be attached.
   */
  async function keep(
    userId: string,
    files: readonly GivenFile[],
    had: readonly Pick<KeptFile, 'bytes'>[] = [],
  ): Promise<readonly KeptFile[]> {
    if (files.length === 0) return [];
    if (files.length + had.length > countMax) {
      throw new AppError('invalid_request', { message: `A message has at most ${countMax} files.` });
    }
    const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
    if (had.reduce((sum, file) => sum + file.bytes, bytes) > messageBytesMax) {
      const message = `The files of a message have at most ${sizeText(messageBytesMax)} together.`;
      throw new AppError('too_large', { message });
    }
    await checkRoom(userId, bytes);
    const kept: KeptFile[] = [];
    for (const file of files) kept.push(await keepOne(file));
    return kept;
  }

  /** Pictures of answers on their way to the disk: the page may ask for one as soon as it has its address. */
  const saving = new Map<string, Promise<void>>();

  async function saveOfAnswer(
    place: AttachmentPlace,
    picture: AnswerPicture,
    ordinal: number,
    before: Promise<void> | undefined,
  ): Promise<void> {
    await before;
    const { id, bytes } = picture;
    try {
      const extension = attachableKind(bytes)?.type.split('/')[1] ?? 'png';
      const files = await keep(place.userId, [{ name: `image-${ordinal + 1}.${extension}`, bytes }]);
      await store.insert(
        place,
        files.map((file) => ({ ...file, id })),
        now(),
        ordinal,
      );
    } catch (error) {
      generationsLog.warn({ message: place.messageId, err: error }, 'picture.not_saved');
    }
  }

  return {
    limits: { bytesMax, countMax, messageBytesMax },
    /** How many of the newest messages a runtime is sent with their files again. */
    toldMessages,
    blobs,

    checkRoom,
    keep,
    keepLink,

    /**
     * Stores the files that a client of `/v1` sends with a message, and the addresses of those that are elsewhere. Those that
     * cannot be attached are left out, and the log says why: the request is answered all the same.
     */
    async keepSent(userId: string, sent: readonly SentFile[]): Promise<readonly KeptFile[]> {
      const kept: KeptFile[] = [];
      for (const [index, { uri, name }] of sent.slice(0, countMax).entries()) {
        if (!uri.startsWith('data:')) {
          await keepLink(uri).then(
            (link) => kept.push(link),
            (error: unknown) => generationsLog.info({ user: userId, err: error }, 'attachment.not_kept'),
          );
          continue;
        }
        const [, type = ''] = /^data:([^,;]{0,100})[^,]{0,100},/.exec(uri) ?? [];
        const bytes = Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64');
        const given = { name: name ?? `file-${index + 1}.${type.split('/')[1] ?? 'txt'}`, bytes };
        try {
          kept.push(...(await keep(userId, [given], kept)));
        } catch (error) {
          generationsLog.info({ user: userId, err: error }, 'attachment.not_kept');
        }
      }
      return kept;
    },

    /** Stores a file for a message of a conversation that is stored later; after a day without it the file goes. */
    async upload(conversation: Pick<Conversation, 'id' | 'userId'>, file: GivenFile): Promise<Attachment> {
      const { id: conversationId, userId } = conversation;
      const kept = await keep(userId, [file], await store.waitingIn(conversationId));
      const id = newTimeId();
      await store.insert(
        { userId, conversationId, messageId: null },
        kept.map((one) => ({ ...one, id })),
        now(),
      );
      return this.get(userId, id);
    },

    /** Returns the named files that wait in a conversation. Throws `not_found` when one does not wait there. */
    async waiting(conversationId: string, ids: readonly string[]): Promise<readonly Attachment[]> {
      if (ids.length === 0) return [];
      const there = await store.waitingIn(conversationId);
      return ids.map((id) => there.find((one) => one.id === id) ?? noFile());
    },

    /**
     * Stores a picture of an answer. One that cannot be stored is missing, and the log says why: no answer fails for it.
     * @param ordinal its place among those of the answer.
     * @param before storing the one before it: each counts the bytes of those that are stored.
     */
    ofAnswer(place: AttachmentPlace, picture: AnswerPicture, ordinal: number, before?: Promise<void>): Promise<void> {
      const saved = saveOfAnswer(place, picture, ordinal, before).finally(() => saving.delete(picture.id));
      saving.set(picture.id, saved);
      return saved;
    },

    /** A file of this user's. Throws `not_found`. */
    async get(userId: string, id: string): Promise<Attachment> {
      await saving.get(id);
      const attachment = await store.find(id);
      return attachment?.userId === userId ? attachment : noFile();
    },

    /** The files of messages, by the id of the message. */
    async ofMessages(
      messages: readonly { readonly id: string }[],
    ): Promise<ReadonlyMap<string, readonly Attachment[]>> {
      const rows = await store.ofMessages(messages.map(({ id }) => id));
      return Map.groupBy(rows, ({ messageId }) => messageId ?? '');
    },

    /** Deletes the contents that nothing refers to any more, and files that were never sent. Some at a time. */
    async sweep(): Promise<void> {
      await store.deleteWaiting(now() - WAITING_MS);
      const untilMs = now() - LOOSE_MS;
      const startedMs = performance.now();
      for (const hash of await store.looseSince(untilMs, now())) {
        await store.forget(hash, untilMs, blobs.remove);
        if (performance.now() - startedMs > REMOVE_MS) return;
      }
    },
  };
}

function noFile(): never {
  throw new AppError('not_found', { message: 'There is no such file.' });
}

/** A name in one line, without the folders that some clients send with it. */
function nameOf(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const plain = last
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .trim();
  return plain.slice(0, NAME_LENGTH_MAX) || 'file';
}

function tooLarge(name: string, bytesMax: number): AppError {
  return new AppError('too_large', { message: `The file "${name}" is larger than ${sizeText(bytesMax)}.` });
}

/** For sentences of errors, which are English. */
function sizeText(bytes: number): string {
  const mebibytes = bytes / 1_048_576;
  return mebibytes >= 1 ? `${Math.floor(mebibytes * 10) / 10} MB` : `${Math.floor(bytes / 1024)} KB`;
}
