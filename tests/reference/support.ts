/** Calls operations of the OpenAPI document with their examples, and compares the answers with their schemas. */
import Ajv from 'ajv/dist/2020';
import type { DocumentedOperation, OpenApiDocument, Schema } from '../../router/reference/document';

/** An operation and where it is. */
export interface Call {
  /** Such as `GET /api/agents/{id}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly operation: DocumentedOperation;
}

export function callsOf({ paths }: OpenApiDocument): Call[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      return { name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation };
    }),
  );
}

/** What differs from the example: ids of things that are there, members of the body, headers. */
export interface Changed {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export function exampleOf(
  { method, path, operation }: Call,
  changed: Changed = {},
): { path: string; init: RequestInit } {
  const value = (name: string, example: unknown) => changed.parameters?.[name] ?? (example as string | undefined);
  const { parameters = [], requestBody } = operation;
  const query = new URLSearchParams();
  let filled = path;
  for (const { name, in: where, example } of parameters) {
    const chosen = value(name, example);
    if (where === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(chosen ?? ''));
    else if (chosen !== undefined) query.set(name, String(chosen));
  }
  const [media, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const body =
    content?.example === undefined ? 'some bytes' : JSON.stringify({ ...(content.example as object), ...changed.body });
  return {
    path: query.size > 0 ? `${filled}?${query}` : filled,
    init: {
      method,
      ...(media !== undefined && { body }),
      headers: { ...(media !== undefined && { 'content-type': media }), ...changed.headers },
    },
  };
}

/** The JSON of the first events of a stream, at most so many. */
export async function eventsOf(response: Response, most: number): Promise<unknown[]> {
  const events: unknown[] = [];
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    const told = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice('data: '.length));
    events.push(...told.filter((data) => data !== '[DONE]').map((data) => JSON.parse(data)));
    if (events.length >= most) break;
  }
  return events;
}

/** Checks values against the schemas of a document, in which no object has a member that is not described. */
export function schemasOf(document: OpenApiDocument) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema(closed(document) as object, 'document');
  const pointer = (...parts: string[]) =>
    `document#/${parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
  const problems = (reference: string, value: unknown): string[] => {
    const validate = ajv.getSchema(reference);
    if (!validate) return [`there is no schema ${reference}`];
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath || 'it'} ${message} ${JSON.stringify(params)}`,
    );
  };
  return {
    answer: ({ method, path }: Call, status: string, media: string, value: unknown) =>
      problems(pointer('paths', path, method.toLowerCase(), 'responses', status, 'content', media, 'schema'), value),
    request: ({ method, path }: Call, media: string, value: unknown) =>
      problems(pointer('paths', path, method.toLowerCase(), 'requestBody', 'content', media, 'schema'), value),
  };
}

function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  const isOpen = members.type !== 'object' || members.properties === undefined || 'additionalProperties' in members;
  return isOpen ? members : { ...members, additionalProperties: false };
}

/** Names of all members of a schema and of the schemas in it. */
export function memberNames({ components }: OpenApiDocument, schema: Schema, seen = new Set<string>()): string[] {
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) {
    if (seen.has(name)) return [];
    seen.add(name);
    return memberNames({ components } as OpenApiDocument, components.schemas[name] ?? {}, seen);
  }
  const parts = [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])];
  const members = { ...schema.properties, ...schema.patternProperties };
  return [
    ...Object.keys(schema.properties ?? {}),
    ...[...(schema.enum ?? []), ...('const' in schema ? [schema.const] : [])].map(String),
    ...[...parts, ...Object.values(members)].flatMap((one) =>
      memberNames({ components } as OpenApiDocument, one, seen),
    ),
  ];
}
