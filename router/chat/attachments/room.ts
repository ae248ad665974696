/** Limits how much all files of one user take: those with rows, and those that are being stored and have no rows yet. */
import { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { sizeText } from './given';
import type { AttachmentsStore } from './store';

export function roomForFiles(store: Pick<AttachmentsStore, 'bytesOf'>, userBytesMax: number) {
  const underWay = new Allowance({ total: Number.POSITIVE_INFINITY, perHolder: Number.POSITIVE_INFINITY });

  return {
    /**
     * Takes room, until the result is disposed of: that is when the rows are stored, or will never be. Throws `too_large` if the
     * user's files may not grow by this many bytes.
     */
    async take(userId: string, bytes: number): Promise<Disposable> {
      using room = new DisposableStack();
      const share = underWay.take(userId, bytes);
      room.defer(() => share.end());
      // Read in the same moment as the rows: a call that takes room later counts this one as well.
      const withOthers = underWay.heldBy(userId);
      if ((await store.bytesOf(userId)) + withOthers <= userBytesMax) return room.move();
      const message = `Your files would take more than ${sizeText(userBytesMax)}. Delete conversations with files first.`;
      throw new AppError('too_large', { message });
    },
  };
}
