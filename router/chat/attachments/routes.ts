/** `/api/…/attachments`: the files of messages, for programs and for the pages. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin } from '../../accounts/identify';
import { isLink, isPicture, TEXT_TYPE } from '../../attachments/kinds';
import type { Config } from '../../config/config';
import { attachment as asAttachment } from '../../files/download';
import type { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { dataHeaders } from '../../web/answers/headers';
import { withBody } from '../../web/bodies/read';
import { attachmentJson } from '../api/present';
import type { ConversationsService } from '../conversations';
import type { AttachmentsService } from './attachments';

/** A file never changes under its id. Only its owner's browser keeps it. */
const KEPT = 'private, max-age=31536000, immutable';

interface AttachmentsRoutesDeps {
  readonly attachments: AttachmentsService;
  readonly config: Pick<Config, 'maxBodyBytes'>;
  readonly conversations: ConversationsService;
  readonly held: Allowance;
}

export function attachmentsRoutes(deps: AttachmentsRoutesDeps, session: SessionPlugin) {
  const { attachments, conversations } = deps;

  return new Elysia({ name: 'attachments-api' })
    .use(session)
    .get(
      '/api/attachments/:id',
      async ({ who, params }) => {
        const file = await attachments.get(who.user.id, params.id);
        if (!(await attachments.blobs.has(file.hash))) throw contentGone();
        // Text is never shown as a page, whatever is in it.
        const type = isPicture(file) ? file.type : `${TEXT_TYPE}; charset=utf-8`;
        // The name of a picture elsewhere is its address, too long for a header.
        const saved = asAttachment(isLink(file) ? 'address.txt' : file.name);
        const disposition = isPicture(file) ? saved.replace('attachment', 'inline') : saved;
        const headers = { ...dataHeaders(type), 'content-disposition': disposition, 'cache-control': KEPT };
        return new Response(attachments.blobs.file(file.hash), { headers });
      },
      { session: true },
    )
    .post(
      '/api/conversations/:id/attachments',
      async ({ who, params, query, request, server }) => {
        const conversation = await conversations.get(who.user.id, params.id);
        const limits = { held: deps.held, holder: who.user.id, maxBytes: deps.config.maxBodyBytes };
        const file = await withBody({ request, server }, limits, (bytes) =>
          attachments.upload(conversation, { name: query.name, bytes }),
        );
        return { attachment: attachmentJson(file) };
      },
      { session: true, parse: 'none', query: t.Object({ name: t.String({ maxLength: 1_024 }) }) },
    );
}

function contentGone(): AppError {
  const hint = 'Restore a backup that has it, or attach the file again.';
  return new AppError('not_found', { message: 'The content of this file is missing on the disk.', hint });
}
