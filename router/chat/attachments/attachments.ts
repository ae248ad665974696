/**
 * Files of messages. A content is stored once, whoever attaches it and how often; it goes when no message has it any
 * more, also when that went with a conversation or an account.
 */
import { type Blobs, hashOf } from '../../attachments/blobs';
import { attachableKind, LINK_TYPE, pictureAddress } from '../../attachments/kinds';
import type { SentFile } from '../../backends/shape';
import type { Config } from '../../config/config';
import { AppError } from '../../lib/errors';
import { newTimeId } from '../../lib/ids';
import { generationsLog } from '../../lib/log';
import type { Soon } from '../../lib/lookup';
import type { AnswerPicture } from '../generations/answer-pictures';
import type { Conversation } from '../store/conversations';
import { checkedBytes, checkedFile, type FileLimits, type GivenFile } from './given';
import { roomForFiles } from './room';
import type { Attachment, AttachmentPlace, AttachmentsStore, KeptFile } from './store';

/** The share of a request's bytes that its files may be: base64 makes four bytes of three. */
const SHARE_OF_BODY = 0.7;
/** How long a content without a row stays: longer than a backup takes, which copies the rows first. */
const LOOSE_MS = 3_600_000;
/** How long a file waits for its message. */
const WAITING_MS = 86_400_000;
/** How long removing files may go on before others have their turn. */
const REMOVE_MS = 10;

/** Files whose contents are stored. They take room (`room.ts`) until they are disposed of, after their rows are stored. */
export interface KeptFiles extends Disposable {
  readonly files: readonly KeptFile[];
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
  const limits: FileLimits = { bytesMax, countMax, messageBytesMax };
  const room = roomForFiles(store, userBytesMax);

  async function keepOne(file: GivenFile): Promise<KeptFile> {
    const checked = checkedFile(file, limits);
    return { hash: await put(file.bytes), ...checked };
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

  /**
   * Stores the contents of the files of one message, of which it has some already. Throws `too_large`,
   * `unsupported_media_type` or `invalid_request` with the name of the file that cannot be attached.
   */
  async function keep(
    userId: string,
    files: readonly GivenFile[],
    had: readonly Pick<KeptFile, 'bytes'>[] = [],
  ): Promise<KeptFiles> {
    if (files.length === 0) return { files: [], [Symbol.dispose]() {} };
    const taken = await room.take(userId, checkedBytes(files, had, limits));
    try {
      const kept: KeptFile[] = [];
      for (const file of files) kept.push(await keepOne(file));
      return { files: kept, [Symbol.dispose]: () => taken[Symbol.dispose]() };
    } catch (error) {
      taken[Symbol.dispose]();
      throw error;
    }
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
      using kept = await keep(place.userId, [{ name: `image-${ordinal + 1}.${extension}`, bytes }]);
      await store.insert(
        place,
        kept.files.map((file) => ({ ...file, id })),
        now(),
        ordinal,
      );
    } catch (error) {
      generationsLog.warn({ message: place.messageId, err: error }, 'picture.not_saved');
    }
  }

  return {
    limits,
    /** How many of the newest messages a runtime is sent with their files again. */
    toldMessages,
    blobs,

    takeRoom: room.take,
    keep,
    /** Stores the content of the only file of a message, after the caller has taken room for it. Throws as `keep` does. */
    keepOne(file: GivenFile): Promise<KeptFile> {
      checkedBytes([file], [], limits);
      return keepOne(file);
    },
    keepLink,

    /**
     * Stores the files that a client of `/v1` sends with a message, and the addresses of those that are elsewhere. Those that
     * cannot be attached are left out, and the log says why: the request is answered all the same.
     * @param use stores the rows of the files.
     */
    async withSent<T>(
      userId: string,
      sent: readonly SentFile[],
      use: (files: readonly KeptFile[]) => Soon<T>,
    ): Promise<T> {
      const files: KeptFile[] = [];
      using rooms = new DisposableStack();
      for (const [index, { uri, name }] of sent.slice(0, countMax).entries()) {
        if (!uri.startsWith('data:')) {
          await keepLink(uri).then(
            (link) => files.push(link),
            (error: unknown) => generationsLog.info({ user: userId, err: error }, 'attachment.not_kept'),
          );
          continue;
        }
        const [, type = ''] = /^data:([^,;]{0,100})[^,]{0,100},/.exec(uri) ?? [];
        const bytes = Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64');
        const given = { name: name ?? `file-${index + 1}.${type.split('/')[1] ?? 'txt'}`, bytes };
        try {
          files.push(...rooms.use(await keep(userId, [given], files)).files);
        } catch (error) {
          generationsLog.info({ user: userId, err: error }, 'attachment.not_kept');
        }
      }
      return await use(files);
    },

    /** Stores a file for a message of a conversation that is stored later; after a day without it the file goes. */
    async upload(conversation: Pick<Conversation, 'id' | 'userId'>, file: GivenFile): Promise<Attachment> {
      const { id: conversationId, userId } = conversation;
      using kept = await keep(userId, [file], await store.waitingIn(conversationId));
      const id = newTimeId();
      await store.insertWaiting(
        { userId, conversationId },
        kept.files.map((one) => ({ ...one, id })),
        now(),
        // Other files may have been uploaded since.
        (there) => void checkedBytes([file], there, limits),
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
