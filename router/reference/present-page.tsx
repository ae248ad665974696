/** Presents the OpenAPI document as a page for people. */

import type { VNode } from 'preact';
import type { Text } from '../../views/locales';
import type {
  AccessView,
  BodyView,
  MemberView,
  OperationView,
  ReferenceView,
  TypeWord,
} from '../../views/reference/models';
import { ReferenceGroupPage, ReferenceObjectsPage, ReferencePage } from '../../views/reference/page';
import { slugOf } from '../lib/slug';
import { type Reader, textOf } from '../web/reader';
import type { Content, DocumentedOperation, OpenApiDocument, Parameter, Schema } from './document';

type TypeTexts = Text['reference']['types'];

/** The document as a view of the reader's language. */
export function referenceView(reader: Reader, document: OpenApiDocument): ReferenceView {
  return viewOf(textOf(reader).reference.types, document);
}

/** @param part the id of a group, or `objects`; the index if absent. Undefined for an unknown one. */
export function referencePage(reference: ReferenceView, part?: string): VNode | undefined {
  if (part === undefined) return <ReferencePage reference={reference} />;
  if (part === 'objects') return <ReferenceObjectsPage reference={reference} />;
  const group = reference.groups.find(({ id }) => id === part);
  return group && <ReferenceGroupPage reference={reference} group={group} />;
}

function viewOf(t: TypeTexts, { info, tags, paths, components }: OpenApiDocument): ReferenceView {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ tag: one.tags[0], view: operationView(t, method, path, one) })),
  );
  return {
    version: info.version,
    about: info.description,
    groups: tags.map(({ name, description }) => ({
      id: slugOf(name),
      name,
      about: description,
      operations: operations.filter(({ tag }) => tag === name).map(({ view }) => view),
    })),
    objects: Object.entries(components.schemas).map(([name, schema]) => ({ name, members: membersOf(t, schema) })),
  };
}

function operationView(t: TypeTexts, method: string, path: string, one: DocumentedOperation): OperationView {
  const [status = '204', done] = Object.entries(one.responses).find(([each]) => each.startsWith('2')) ?? [];
  const refused = Object.entries(one.responses).filter(([each]) => each !== status);
  const [body] = bodiesOf(t, one.requestBody?.content);
  return {
    ...{ id: one.operationId, method: method.toUpperCase(), path, summary: one.summary, status },
    ...(one.description !== undefined && { more: one.description }),
    access: accessOf(one),
    parameters: (one.parameters ?? []).map((parameter) => parameterView(t, parameter)),
    ...(body && { body }),
    answers: bodiesOf(t, done?.content),
    refusals: refused.map(([each, { description }]) => ({
      status: each === 'default' ? '…' : each,
      reason: description,
    })),
    example: exampleOf(method, path, one),
  };
}

function accessOf({ security }: DocumentedOperation): AccessView {
  if (security.length === 0) return 'public';
  const scopes = security.flatMap((way) => Object.values(way).flat());
  return (['admin', 'manage', 'v1'] as const).find((scope) => scopes.includes(scope)) ?? 'session';
}

function parameterView(t: TypeTexts, { name, schema, required, description }: Parameter): MemberView {
  const about = description ?? schema.description;
  return { name, type: typeOf(t, schema), isOptional: !required, ...(about !== undefined && { about }) };
}

function bodiesOf(t: TypeTexts, content: Content = {}): BodyView[] {
  return Object.entries(content).map(([media, { schema = {} }]) => {
    const members = membersOf(t, schema);
    return { media, type: members.length > 0 ? [] : typeOf(t, schema), members };
  });
}

/** The members of an object and of the objects in it, but for those with a name. */
function membersOf(t: TypeTexts, schema: Schema, prefix = ''): MemberView[] {
  if (schema.anyOf) return schema.anyOf.flatMap((one) => membersOf(t, one, prefix));
  if (schema.items) return membersOf(t, schema.items, `${prefix.slice(0, -1)}[].`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
    {
      name: prefix + name,
      type: typeOf(t, member),
      isOptional: !schema.required?.includes(name),
      ...(member.description !== undefined && { about: member.description }),
    },
    ...membersOf(t, member, `${prefix}${name}.`),
  ]);
}

function typeOf(t: TypeTexts, schema: Schema): TypeWord[] {
  const { $ref, anyOf, const: value, enum: words, items, patternProperties, type } = schema;
  const name = $ref?.split('/').at(-1);
  if (name !== undefined) return [{ text: name, object: name }];
  if (anyOf) return anyOf.flatMap((one, index) => [...(index > 0 ? [{ text: t.or }] : []), ...typeOf(t, one)]);
  if (value !== undefined) return [{ text: JSON.stringify(value) }];
  if (words) return [{ text: words.map((word) => JSON.stringify(word)).join(` ${t.or} `) }];
  if (items) return [{ text: t.listOf }, ...typeOf(t, items)];
  const [each] = Object.values(patternProperties ?? {});
  if (each) return [{ text: t.byName }, ...typeOf(t, each)];
  const types = [type ?? 'any'].flat().filter((one): one is keyof TypeTexts => one in t);
  return [{ text: types.map((one) => t[one]).join(` ${t.or} `) }];
}

/** The call, as people type it in a shell. */
function exampleOf(
  method: string,
  path: string,
  { parameters = [], requestBody, security }: DocumentedOperation,
): string {
  const shown = (where: Parameter['in']) =>
    parameters.filter((one) => one.in === where && one.example !== undefined && one.example !== '');
  const filled = shown('path').reduce((url, { name, example }) => url.replace(`{${name}}`, String(example)), path);
  const query = shown('query').map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`);
  const url = `"$BASE${filled}${query.length > 0 ? `?${query.join('&')}` : ''}"`;
  const credential = path.startsWith('/v1/') ? '-H "Authorization: Bearer $KEY"' : '-b jar';
  const jar = path === '/auth/login' ? ' -c jar' : '';
  const [media, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const isPlain = method === 'get' || (method === 'post' && media !== undefined);
  const words = [
    `curl${security.length > 0 ? ` ${credential}` : jar}${isPlain ? '' : ` -X ${method.toUpperCase()}`} ${url}`,
    ...(media === undefined ? [] : [`-H 'Content-Type: ${media}'`]),
    ...(body?.example === undefined ? [] : [`-d '${JSON.stringify(body.example)}'`]),
    ...(media !== undefined && body?.example === undefined ? ['--data-binary @report.txt'] : []),
  ];
  return words.join(' \\\n  ');
}
