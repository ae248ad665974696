/** The JSON of a conversation as a file, which `docs/api.md` describes: written, and checked when it is read. */
import { Type } from '@sinclair/typebox';
import { AppError } from '../../lib/errors';
import { parseBody } from '../../lib/json';
import { schemaProblems } from '../../lib/schema-check';
import type { TellingMessage } from '../api/whole-store';

/** Bytes of a file without its attachments, however many these are: everybody waits while it is read. */
const IMPORT_BYTES_MAX = 4_194_304;
const MESSAGES_MAX = 10_000;
export const FORMAT = 'agent-stack.conversation';
export const VERSION = 1;
/** Problems of a file that are reported. */
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
/** A file that could not be read when the conversation was exported. */
const missingFile = Type.Object({ id: Type.String(), name: Type.String(), type: Type.String() }, member);
const ms = Type.Integer({ minimum: 0 });
const count = Type.Integer({ minimum: 0 });
const step = Type.Union([
  Type.Object(
    {
      ...{ kind: Type.Literal('thought'), text: Type.String(), tookMs: Type.Optional(ms) },
      isTagged: Type.Optional(Type.Literal(true)),
      ...{ textLengthBefore: Type.Optional(count), callsBefore: Type.Optional(count) },
    },
    member,
  ),
  Type.Object(
    {
      ...{ kind: Type.Literal('tool'), name: Type.String(), arguments: Type.String(), tookMs: Type.Optional(ms) },
      ...{ result: Type.Optional(Type.String()), isEnded: Type.Optional(Type.Literal(true)) },
      isFailed: Type.Optional(Type.Literal(true)),
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
    incomplete: Type.Optional(
      Type.Union([Type.Literal('length'), Type.Literal('content_filter')], { rule: '"length" or "content_filter"' }),
    ),
    calls: Type.Optional(Type.Array(call, { maxItems: 1_000 })),
    results: Type.Optional(Type.Array(Type.Object({ callId: Type.String(), output: Type.String() }, member))),
    steps: Type.Optional(Type.Array(step, { maxItems: 1_000 })),
    follows: Type.Optional(Type.Integer({ minimum: 0 })),
    hidden: Type.Optional(Type.Boolean()),
    attachments: Type.Optional(Type.Array(attachment, { maxItems: 100 })),
    missing_files: Type.Optional(Type.Array(missingFile, { maxItems: 100 })),
  },
  member,
);
const file = Type.Object({
  format: Type.Literal(FORMAT, { rule: `"${FORMAT}"` }),
  version: Type.Literal(VERSION, { rule: String(VERSION) }),
  title: Type.Optional(Type.String()),
  messages: Type.Array(message, { minItems: 1, maxItems: MESSAGES_MAX }),
});

/** A message as it stands in a file. */
export type FileMessage = ReturnType<typeof messageJson> & {
  readonly attachments?: readonly {
    readonly id?: string;
    readonly name: string;
    readonly type?: string;
    readonly data: string;
  }[];
  readonly missing_files?: readonly { readonly id: string; readonly name: string; readonly type: string }[];
};

/** An answer that is still being written is exported as far as it is saved. */
export function messageJson(message: TellingMessage, follows?: number) {
  const { role, content, status, failure, incomplete, calls, results, createdAtMs, steps, isHidden } = message;
  return {
    role,
    content,
    created_at: createdAtMs / 1000,
    status: status === 'streaming' ? ('stopped' as const) : status,
    ...(failure && { failure }),
    ...(incomplete && { incomplete }),
    ...(calls && { calls }),
    ...(results && { results }),
    ...(steps && { steps }),
    ...(follows !== undefined && { follows }),
    ...(isHidden && { hidden: true }),
  };
}

/** Reads the file of a conversation. Throws `invalid_request` with the places of what is wrong in it, or `too_large`. */
export function readFile(bytes: Uint8Array): { title: string; messages: readonly FileMessage[] } {
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
  return { title, messages };
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
