/**
 * Presents all operations as the OpenAPI document: what a request takes is read from the routes, what it means and what is
 * answered from each subject's `operations.ts`.
 */
import { setImmediate } from 'node:timers/promises';
import { toOpenAPISchema } from '@elysiajs/openapi/openapi';
import pkg from '../../package.json';
import { accountOperations, keyOperations, signInOperations } from '../accounts/operations';
import { installationOperations } from '../admin/operations';
import { userOperations } from '../admin/users/operations';
import { agentOperations } from '../chat/api/agents-operations';
import { conversationOperations } from '../chat/api/operations';
import { credentialOperations, sharingOperations } from '../credentials/operations';
import { fileOperations } from '../files/operations';
import { openaiOperations } from '../openai/operations';
import { runnerOperations } from '../runners/api/operations';
import { schedulesOperations } from '../schedules/operations';
import { agentSettingsOperations } from '../settings/operations';
import { pricingOperations, usageOperations } from '../usage/operations';
import { type Access, type Operation, type OperationGroup, openaiError, problem } from '../web/operation';
import type { Content, DocumentedAnswer, DocumentedOperation, OpenApiDocument, Parameter, Schema } from './document';

/** In the order of the document. */
const GROUPS: readonly OperationGroup[] = [
  ...[openaiOperations, signInOperations, accountOperations, keyOperations, credentialOperations],
  ...[agentOperations, agentSettingsOperations, fileOperations, runnerOperations, conversationOperations],
  schedulesOperations,
  ...[usageOperations, userOperations, installationOperations, sharingOperations, pricingOperations],
];

const VERSION = '3.1.2';
/** Routes that are read in one turn of the event loop. */
const ROUTES_AT_ONCE = 20;
const ABOUT =
  'Bodies are JSON of at most 1 MiB where nothing else is said; a member that is null counts as absent. ' +
  'What does not exist, or belongs to another user, is 404. A request of a page of another site is 403.';

/** Ways in by who may call: a list of schemes, each with the scopes it needs. */
const SECURITY: Readonly<Record<Access, DocumentedOperation['security']>> = {
  public: [],
  session: [{ session: [] }, { token: [] }],
  manage: [{ session: [] }, { token: [] }, { key: ['manage'] }],
  agents: [{ session: [] }, { token: [] }, { key: ['agents'] }],
  v1: [{ key: ['v1'] }, { token: [] }, { session: [] }],
  admin: [{ session: ['admin'] }, { token: ['admin'] }],
};

/** Who may call with a key. */
const KEYED: readonly Access[] = ['v1', 'agents', 'manage'];

/** A route of an Elysia application. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly hooks?: { readonly body?: unknown; readonly params?: unknown; readonly query?: unknown };
}
type Paths = Readonly<Record<string, Readonly<Record<string, Partial<DocumentedOperation>>> | undefined>>;

/** Group by group: all of it would hold up everybody for 40 ms. */
export async function openApiDocument(routes: readonly Route[], cookieName: string): Promise<OpenApiDocument> {
  const taken = await requestsOf(routes);
  const schemas = new Map<string, Schema>();
  const paths: Record<string, Record<string, DocumentedOperation>> = {};
  for (const group of GROUPS) {
    await setImmediate();
    for (const [name, operation] of Object.entries(group.operations)) {
      const [method = '', path = ''] = name.split(' ');
      const made = documented(group, operation, { method: method.toLowerCase(), path, taken });
      paths[path] = { ...paths[path], [method.toLowerCase()]: referring(made, schemas) };
    }
  }
  return {
    openapi: VERSION,
    info: { title: 'agent-stack', version: pkg.version, description: ABOUT },
    tags: GROUPS.map(({ name, about }) => ({ name, description: about })),
    paths,
    components: {
      schemas: Object.fromEntries([...schemas].sort(([one], [other]) => (one < other ? -1 : 1))),
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: cookieName, description: 'The cookie of POST /auth/login' },
        token: { type: 'http', scheme: 'bearer', description: 'The value of that cookie' },
        key: { type: 'http', scheme: 'bearer', description: 'A key of the Settings, or of POST /api/me/keys' },
      },
    },
  };
}

/** Parameters and bodies of the API's routes. The schemas alone, because Elysia's hooks make the plugin see no JSON. */
const schemaOf = (app: Parameters<typeof toOpenAPISchema>[0]) =>
  toOpenAPISchema(app, undefined, undefined, undefined, VERSION).paths as Paths;

async function requestsOf(routes: readonly Route[]): Promise<Paths> {
  const own = routes
    .filter(({ path }) => /^\/(api|auth|v1)\//.test(path))
    .map(({ method, path, hooks: { body, params, query } = {} }) => ({ method, path, hooks: { body, params, query } }));
  const paths: Record<string, Paths[string]> = {};
  for (let from = 0; from < own.length; from += ROUTES_AT_ONCE) {
    await setImmediate();
    const app = { getGlobalRoutes: () => own.slice(from, from + ROUTES_AT_ONCE) };
    const some = schemaOf(app as unknown as Parameters<typeof toOpenAPISchema>[0]);
    for (const [path, methods] of Object.entries(some)) paths[path] = { ...paths[path], ...methods };
  }
  return paths;
}

interface Place {
  readonly method: string;
  readonly path: string;
  readonly taken: Paths;
}

function documented(group: OperationGroup, operation: Operation, place: Place): DocumentedOperation {
  const { method, path } = place;
  const { summary, more, access = group.access } = operation;
  const words = { ...group.words, ...operation.about };
  const parameters = parametersOf(operation, place, words);
  const body = bodyOf(operation, place, words);
  return {
    operationId: `${method}${path.replace(/[^a-z0-9]+(\w?)/gi, (_, letter: string) => letter.toUpperCase())}`,
    tags: [group.name],
    summary,
    ...(more !== undefined && { description: more }),
    security: SECURITY[access],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: body } }),
    responses: answersOf(operation, access, path),
  };
}

/** What the route takes: of a route with a rest, such as `/v1/*`, nothing. */
function takenBy({ method, path, taken }: Place): Partial<DocumentedOperation> {
  return taken[path]?.[method] ?? taken[path.replace(/\{\w+\}$/, '*')]?.[method] ?? {};
}

function parametersOf(operation: Operation, place: Place, words: Operation['about']): Parameter[] {
  const { parameters: values = {} } = operation.example ?? {};
  const described = (parameter: Parameter): Parameter => ({
    ...parameter,
    ...(words?.[parameter.name] !== undefined && { description: words[parameter.name] }),
    ...(values[parameter.name] !== undefined && { example: values[parameter.name] }),
  });
  const inPath = [...place.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const { parameters: found = [] } = takenBy(place);
  const schemaOf = (name: string) => found.find((one) => one.name === name)?.schema ?? { type: 'string' };
  return [
    ...inPath.map((name) => ({ name, in: 'path' as const, required: true, schema: plain(schemaOf(name)) })),
    ...found
      .filter((one) => one.in === 'query')
      .map(({ name, required, schema }) => ({ name, in: 'query' as const, required, schema: plain(schema) })),
  ].map(described);
}

/** Without the text that Elysia takes for each number as well, as the query has only texts. */
function plain(schema: Schema): Schema {
  const [number, ...more] = (schema.anyOf ?? []).filter(({ type }) => type !== 'string' && type !== 'null');
  if (number && more.length === 0 && /^(integer|number)$/.test(String(number.type))) return number;
  const properties = Object.entries(schema.properties ?? {}).map(([name, member]) => [name, plain(member)]);
  return schema.properties ? { ...schema, properties: Object.fromEntries(properties) } : schema;
}

function bodyOf({ takes, example }: Operation, place: Place, words: Operation['about']): Content | undefined {
  const shown = example?.body === undefined ? {} : { example: example.body };
  if (takes) return { [takes.media]: { ...(takes.schema && { schema: takes.schema as Schema }), ...shown } };
  const found = takenBy(place).requestBody?.content['application/json']?.schema;
  if (!found) return undefined;
  const schema = plain(found);
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => [
    name,
    words?.[name] === undefined ? member : { ...member, description: words[name] },
  ]);
  return { 'application/json': { schema: { ...schema, properties: Object.fromEntries(members) }, ...shown } };
}

function answersOf(operation: Operation, access: Access, path: string): DocumentedOperation['responses'] {
  const { answer, refusals = {} } = operation;
  const isOpenAi = path.startsWith('/v1/');
  const refused: Content = isOpenAi
    ? { 'application/json': { schema: openaiError as Schema } }
    : { 'application/problem+json': { schema: problem as Schema } };
  const reasons: Readonly<Record<number, string>> = {
    ...(access !== 'public' && { 401: 'Not signed in' }),
    ...(access === 'admin' && { 403: 'Not the administrator' }),
    ...(KEYED.includes(access) && { 403: 'The key does not open this' }),
    ...refusals,
  };
  const told = Object.entries(reasons).map(([status, description]): [string, DocumentedAnswer] => [
    status,
    { description, content: refused },
  ]);
  return {
    [answer?.status ?? (answer ? 200 : 204)]: { description: 'Done', ...(answer && { content: contentOf(answer) }) },
    ...Object.fromEntries(told),
    default: { description: 'Any other refusal', content: refused },
  };
}

function contentOf({ json, events, files = [] }: NonNullable<Operation['answer']>): Content {
  return {
    ...(json && { 'application/json': { schema: json as Schema } }),
    // The JSON of each event: OpenAPI 3.1 has no other place for it.
    ...(events && { 'text/event-stream': { schema: events as Schema } }),
    ...Object.fromEntries(files.map((media) => [media, { schema: {} }])),
  };
}

/** Puts a reference in the place of each schema with a name, and the schema into `schemas`. */
function referring<T>(value: T, schemas: Map<string, Schema>): T {
  if (Array.isArray(value)) return value.map((one) => referring(one, schemas)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const { $id: name, ...members } = value as { readonly $id?: string };
  const whole = () =>
    Object.fromEntries(Object.entries(members).map(([key, member]) => [key, referring(member, schemas)]));
  if (name === undefined) return whole() as T;
  if (!schemas.has(name)) schemas.set(name, whole());
  return { $ref: `#/components/schemas/${name}` } as T;
}
