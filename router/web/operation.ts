/**
 * How a subject describes its operations for the OpenAPI document: in `operations.ts` beside its routes. What a request takes
 * is read from the routes. Nothing of it is loaded before the document is asked for, or checked while the router answers:
 * `tests/reference` compares it with the answers.
 */
// Not Elysia's `t`, whose numbers are also texts.
import { type TProperties, type TSchema, Type as t } from '@sinclair/typebox';

/**
 * Who may call an operation: everybody, a session, a session or a key with the scope `agents`, `manage` or `v1`, the
 * administrator's session.
 */
export type Access = 'public' | 'session' | 'agents' | 'manage' | 'v1' | 'admin';

/** The answer of an operation that was not refused. */
export interface Answer {
  /** 200 if absent. */
  readonly status?: 201 | 202;
  readonly json?: TSchema;
  /** The JSON of each event of a stream. */
  readonly events?: TSchema;
  /** Media types of files. */
  readonly files?: readonly string[];
}

export interface Operation {
  readonly summary: string;
  readonly more?: string;
  /** Who may call it; the group's `access` if absent. */
  readonly access?: Access;
  /** Name of a parameter or of a member of the body → what it means; before the words of the group. */
  readonly about?: Readonly<Record<string, string>>;
  /** Values of the example: of the path's and the query's parameters, and the body. */
  readonly example?: { readonly parameters?: Readonly<Record<string, string | number>>; readonly body?: unknown };
  /** The body, where the route reads it by itself. */
  readonly takes?: { readonly media: string; readonly schema?: TSchema };
  /** Absent for the status 204. */
  readonly answer?: Answer;
  /** Statuses of refusals and their reasons, but for those of every operation. */
  readonly refusals?: Readonly<Record<number, string>>;
}

/** Operations of one kind. */
export interface OperationGroup {
  readonly name: string;
  readonly about: string;
  readonly access: Access;
  readonly words: Readonly<Record<string, string>>;
  /** Method and path, such as `GET /api/agents/{id}` → the operation. */
  readonly operations: Readonly<Record<string, Operation>>;
}

/** An object that the document describes once, under its name. */
export function named<T extends TProperties>(name: string, members: T) {
  return t.Object(members, { $id: name });
}

export const text = t.String();
export const flag = t.Boolean();
export const whole = t.Integer();
export const amount = t.Number();
export const texts = t.Array(text);
export const seconds = t.Integer({ description: 'Seconds since 1970 (Unix time)' });
export const anything = t.Object({}, { additionalProperties: true });
export const nullable = <T extends TSchema>(schema: T) => t.Union([schema, t.Null()]);
export const oneOf = (...words: string[]) => t.Unsafe<string>({ type: 'string', enum: words });
/** An object with the same members for whatever names. */
export const each = <T extends TSchema>(schema: T) => t.Record(t.String(), schema);

export const ok = { json: t.Object({ ok: flag }) };

/** The refusals of `respond.tsx`. */
export const problem = named('Problem', {
  type: text,
  title: text,
  status: whole,
  detail: t.String({ description: 'For people' }),
  code: t.String({ description: 'For programs' }),
  hint: t.Optional(t.String({ description: 'For the administrator' })),
  fields: t.Optional(t.Record(t.String(), text, { description: 'Member of the request → what is wrong with it' })),
  request_id: t.String({ description: 'The id of the request in the log' }),
});
/** The error object of `/v1`. */
export const openaiError = named('OpenAiError', {
  error: t.Object({ message: text, type: text, param: nullable(text), code: nullable(text) }),
  detail: t.Optional(t.String({ description: 'The message again; absent in a refusal of the agent itself' })),
});
