/** docs/api.md against the OpenAPI document: the same operations, and no member that is not there. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import type { OpenApiDocument } from '../../router/reference/document';
import { startRouter, type TestRouter } from '../support/router';
import { type Call, callsOf, memberNames } from './support';

let router: TestRouter;
let document: OpenApiDocument;
let rows: Row[];
beforeAll(async () => {
  router = await startRouter();
  document = (await (await router.request('/openapi.json')).json()) as OpenApiDocument;
  rows = rowsOf(await Bun.file(join(repositoryRoot, 'docs/api.md')).text());
});
afterAll(() => router[Symbol.asyncDispose]());

/** A row of the page's tables of endpoints. */
interface Row {
  /** Such as `GET /api/agents/*`. */
  readonly names: readonly string[];
  readonly request: string;
  readonly answer: string;
}

const plain = (name: string) => name.replace(/\{\w+\}/g, '*');
const codeIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

function rowsOf(page: string): Row[] {
  return page.split('\n').flatMap((line) => {
    const [, endpoint = '', request = '', answer = ''] = line.split('|').length < 5 ? [] : line.split('|');
    const codes = codeIn(endpoint).filter((code) => /^[A-Z]+( |$)/.test(code));
    const paths = codes.map((code) => code.split(' ')[1]);
    const names = codes.map((code, index) => {
      const method = code.split(' ')[0];
      const path = [paths[index], ...paths.slice(index + 1), ...paths.slice(0, index)].find((one) =>
        one?.startsWith('/'),
      );
      return plain(`${method} ${path?.replace(/\?.*/, '')}`);
    });
    // Those of the internal port are for agents.
    const isOurs = names.some((name) => / \/(api|auth)\//.test(name) && !name.includes(' /api/internal/'));
    return isOurs ? [{ names, request, answer }] : [];
  });
}

/** Everything that an operation names: parameters, members of bodies, and words that a member may be. */
function namesIn({ operation: { parameters = [], requestBody, responses } }: Call): string[] {
  const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
  const schemas = contents.flatMap((content) => Object.values(content ?? {}).map(({ schema }) => schema ?? {}));
  const all = [...schemas, ...parameters.map(({ schema }) => schema)];
  return [...parameters.map(({ name }) => name), ...all.flatMap((schema) => memberNames(document, schema))];
}

test('docs/api.md has the operations of the document, but for /v1, which has a page of its own', () => {
  const documented = callsOf(document).filter(({ path }) => !path.startsWith('/v1/'));
  const listed = rows.flatMap(({ names }) => names);
  expect([...new Set(listed)].sort()).toEqual(documented.map(({ name }) => plain(name)).sort());
});

/** In the place of the names of variables and scopes; a member of backends.json. */
const OTHER_WORDS = new Set(['variable', 'scope', 'agent_env', 'everybody']);

test('docs/api.md names only members that the document has', () => {
  const calls = new Map(callsOf(document).map((call) => [plain(call.name), call]));
  const wrong = rows.flatMap(({ names, request, answer }) => {
    const known = new Set(names.flatMap((name) => namesIn(calls.get(name) as Call)));
    const members = [...codeIn(request), ...codeIn(answer)]
      // Names of settings, headers and folders are no members.
      .filter((code) => /^[?&]?[a-z_]+(\??=?|[[{].*)$/.test(code))
      .flatMap((code) => code.replace(/\([^)]*\)|: \w+/g, '').match(/[a-z_]\w*/gi) ?? []);
    return members
      .filter((member) => !known.has(member) && !OTHER_WORDS.has(member))
      .map((member) => `${names.join(', ')}: ${member}`);
  });
  expect(wrong).toEqual([]);
});
