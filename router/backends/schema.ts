/** The schema of `backends.json`: its names, a rule for each, and a message for every violation. */
import { KindGuard, type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import { Value, type ValueError } from '@sinclair/typebox/value';
import type { Json } from '../../drivers/driver';
import { parseJson } from '../lib/json';

/** `rule` replaces TypeBox's message where that would show a pattern: "expected " + rule. */
const text = (rule: string, pattern: string) => Type.String({ pattern, rule });
const anyText = Type.String();
const texts = Type.Array(Type.String({ minLength: 1 }));
/** TypeBox's patterns match no name with a line break, so without this such a name's value would not be checked. */
const named = { additionalProperties: false } as const;
const textByName = Type.Record(Type.String(), Type.String(), named);
const seconds = Type.Number({ minimum: 0.01, maximum: 86_400 });
const id = Type.Integer({ minimum: 0, maximum: 4_294_967_295 });
const variableName = text('the name of an environment variable', '^[A-Za-z_][A-Za-z0-9_]*$');
const urlPath = text("a path that begins with '/'", '^/[^\\s#]*$');
const insidePath = text('a relative path without dot segments', '^(?!/)(?!.*(^|/)\\.{1,2}(/|$)).+$');
const headerName = text('the name of an HTTP header', "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$");

const entrySchema = Type.Object(
  {
    name: text("lower-case letters, digits, '.', '_' and '-', at most 63", '^[a-z0-9][a-z0-9._-]{0,62}$'),
    display_name: Type.Optional(Type.String({ minLength: 1, maxLength: 80 })),
    description: Type.Optional(anyText),
    disabled: Type.Boolean({ default: false }),
    driver: {
      ...text("a driver's name or npm:package", '^([a-z][a-z0-9-]*|npm:(@[a-z0-9][\\w.-]*/)?[a-z0-9][\\w.-]*)$'),
      default: 'docker',
    },
    driver_options: Type.Record(Type.String(), Type.Unsafe<Json>(Type.Unknown()), { default: {}, ...named }),
    trusted: Type.Boolean({ default: false }),
    suggestions: { ...texts, default: [] },
    image: Type.Optional(Type.String({ minLength: 1 })),
    container_prefix: Type.Optional(text("letters, digits, '.', '_' and '-'", '^[A-Za-z0-9][A-Za-z0-9._-]*$')),
    cmd: Type.Array(anyText, { default: [] }),
    internal_port: Type.Integer({ minimum: 1, maximum: 65535, default: 8080 }),
    health_path: { ...urlPath, default: '/healthz' },
    ready_path: { ...urlPath, default: '/v1/models' },
    extra_models: { ...texts, default: [] },
    api_key_env: { ...variableName, default: 'OPENAI_API_KEY' },
    api_key_header: { ...headerName, default: 'Authorization' },
    api_key_scheme: { ...text('a word, or nothing', '^[A-Za-z0-9-]*$'), default: 'Bearer' },
    seed_subdir: Type.Optional(insidePath),
    mount_target: { ...text('an absolute path', '^/.+'), default: '/home/agent' },
    templated_files: Type.Array(insidePath, { default: [] }),
    extra_env: Type.Record(variableName, Type.String(), { default: {}, additionalProperties: false }),
    user_overridable_env: Type.Array(variableName, { default: [] }),
    credentials: Type.Unsafe<'broker' | 'inject'>({
      ...text('"broker" or "inject"', '^(broker|inject)$'),
      default: 'broker',
    }),
    user: Type.Optional(Type.String({ minLength: 1 })),
    chown_uid: Type.Optional(id),
    chown_gid: Type.Optional(id),
    network_mode: Type.String({ minLength: 1, default: 'bridge' }),
    extra_hosts: { ...textByName, default: {} },
    extra_networks: { ...texts, default: [] },
    dns: { ...texts, default: [] },
    default_idle_seconds: Type.Optional(Type.Integer({ minimum: 0 })),
    forward_model_env: Type.Optional(variableName),
    headers: Type.Record(headerName, text('text in one line', '^[^\\r\\n\\0]*$'), {
      default: {},
      additionalProperties: false,
    }),
    session_body: { ...textByName, default: {} },
    omit_body: { ...texts, default: [] },
    stream_lacks_role: Type.Boolean({ default: false }),
    model: Type.Optional(Type.String({ minLength: 1 })),
    context_window: Type.Optional(Type.Integer({ minimum: 1 })),
    max_tokens: Type.Optional(Type.Integer({ minimum: 1 })),
    history: Type.Unsafe<'full' | 'last-turn' | 'one-message'>({
      ...text('"full", "last-turn" or "one-message"', '^(full|last-turn|one-message)$'),
      default: 'full',
    }),
    paths: Type.Array(text("a path below /v1 such as 'chat/completions' or 'files/*'", '^[\\w-]+(/[\\w-]+)*(/\\*)?$'), {
      default: ['chat/completions', 'models'],
    }),
    limits: Type.Object(
      {
        memory: Type.Optional(
          Type.Union([text('', '^\\d+(\\.\\d+)?[kmgt]?$'), Type.Integer({ minimum: 1 })], {
            rule: "a number of bytes, or a size such as '512m' or '2g'",
          }),
        ),
        cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        pids: Type.Optional(Type.Integer({ minimum: 1 })),
      },
      { additionalProperties: false, default: {} },
    ),
    timeouts: Type.Object(
      {
        pull_seconds: { ...seconds, default: 900 },
        start_seconds: { ...seconds, default: 30 },
        ready_seconds: Type.Optional(seconds),
        // Long enough for an agent whose health check checks its parts first.
        health_seconds: { ...seconds, default: 5 },
        stop_grace_seconds: { ...seconds, minimum: 0, default: 10 },
        // Generous, because a tool may run for ten minutes without output.
        first_byte_seconds: { ...seconds, default: 900 },
        between_chunks_seconds: { ...seconds, default: 900 },
        total_seconds: { ...seconds, default: 3600 },
      },
      { additionalProperties: false, default: {} },
    ),
  },
  { additionalProperties: false },
);

const fileSchema = Type.Array(entrySchema, { minItems: 1 });

/** One entry of the file, with the defaults filled in. */
export type Entry = Static<typeof entrySchema>;

/**
 * Variables that the router or a driver sets, or that change how a program is loaded: a user's value would break
 * isolation or have no effect.
 */
const RESERVED =
  /^(AGENT_.*|PATH|HOME|HOST|PORT|USER|SHELL|IFS|ENV|BASH_ENV|LD_.*|DYLD_.*|GCONV_PATH|BUN_.*|NODE_(OPTIONS|PATH)|PYTHON(PATH|HOME|STARTUP)|PERL5?(LIB|OPT)|RUBY(LIB|OPT)|JAVA_TOOL_OPTIONS)$/;

/** The variables that a value may contain as `${name}`, by member. */
const variablesOf = {
  cmd: ['BACKENDS_DIR'],
  headers: ['conversation', 'session', 'work', 'user', 'agent'],
  session_body: ['conversation', 'session', 'user', 'agent'],
} as const;

/**
 * Reads the text of a `backends.json`. A problem is a line such as `backends.json/0/internal_port: expected integer to
 * be greater or equal to 1 (got 0)`, where `label` names the file.
 */
export function parseEntries(label: string, json: string): { entries: readonly Entry[]; problems: readonly string[] } {
  let file: unknown;
  try {
    file = parseJson(json);
  } catch (error) {
    return { entries: [], problems: [`${label}: not JSON: ${error instanceof Error ? error.message : error}`] };
  }
  const filled = Array.isArray(file) ? file.map((entry) => withDefaults(entrySchema, withoutNulls(entry))) : file;
  const problems = schemaProblems(label, fileSchema, filled);
  const entries: Entry[] = [];
  const isFine = problems.length === 0;
  for (const [index, entry] of (Array.isArray(filled) ? filled : []).entries()) {
    if (!isFine && !Value.Check(entrySchema, entry)) continue;
    const place = `${label}/${index}`;
    problems.push(...variableProblems(place, entry), ...reservedProblems(place, entry));
    problems.push(...collisions(place, entry, entries));
    entries.push(entry);
  }
  return { entries, problems };
}

/**
 * `value` with the defaults of its missing members. A value that is not an object is returned unchanged, so that
 * validation refuses it. Not `Value.Default`, which merges an array and an object into a value that passes the check.
 */
export function withDefaults(schema: TObject, value: unknown): unknown {
  if (!isPlain(value)) return value;
  const filled = { ...value };
  for (const [name, member] of Object.entries(schema.properties)) {
    const own = filled[name];
    if (own === undefined && 'default' in member) filled[name] = structuredClone(member.default);
    else if (isPlain(own) && isPlain(member.default)) filled[name] = { ...structuredClone(member.default), ...own };
    if (KindGuard.IsObject(member) && filled[name] !== undefined) filled[name] = withDefaults(member, filled[name]);
  }
  return filled;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The predecessor wrote null for "not set". */
function withoutNulls(entry: unknown): unknown {
  if (!isPlain(entry)) return entry;
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null));
}

/** All violations of `schema`, the first at each place, as `<label>/<place>: <expectation> (got <value>)`. */
export function schemaProblems(label: string, schema: TSchema, value: unknown): string[] {
  // The check is faster than the search for errors.
  if (Value.Check(schema, value)) return [];
  const byPath = new Map<string, string>();
  for (const error of Value.Errors(schema, value)) {
    if (!byPath.has(error.path)) byPath.set(error.path, `${label}${error.path}: ${explain(error)}`);
  }
  return [...byPath.values()];
}

function explain({ message, schema, value }: ValueError): string {
  const words =
    /^(Expected required|Unexpected)/.test(message) || !hasRule(schema) ? message : `expected ${schema.rule}`;
  const got = value === undefined ? '' : ` (got ${JSON.stringify(value).slice(0, 80)})`;
  return `${words.charAt(0).toLowerCase()}${words.slice(1)}${got}`;
}

function hasRule(schema: TSchema): schema is TSchema & { rule: string } {
  return typeof schema.rule === 'string';
}

function variableProblems(path: string, entry: Entry): string[] {
  return Object.entries(variablesOf).flatMap(([member, known]: [string, readonly string[]]) =>
    Object.entries(entry[member as keyof typeof variablesOf]).flatMap(([key, value]) =>
      [...value.matchAll(/\$\{([^}]*)\}/g)]
        .filter(([, name = '']) => !known.includes(name))
        .map(([variable]) => {
          const allowed = known.map((name) => `\${${name}}`).join(', ');
          return `${path}/${member}/${key}: expected no variable but ${allowed} (got ${variable})`;
        }),
    ),
  );
}

function reservedProblems(path: string, { user_overridable_env: names, api_key_env: accessKey }: Entry): string[] {
  return names.flatMap((name, index) => {
    const place = `${path}/user_overridable_env/${index}`;
    if (name === accessKey) {
      return [`${place}: expected another variable than api_key_env, which the router sets (got "${name}")`];
    }
    if (!RESERVED.test(name)) return [];
    return [`${place}: expected a variable that neither the router nor the system sets or obeys (got "${name}")`];
  });
}

/** Model ids that would match both `entry` and an earlier entry. */
function collisions(path: string, entry: Entry, earlier: readonly Entry[]): string[] {
  const claimed = (other: Entry, model: string) =>
    model === other.name || model.startsWith(`${other.name}/`) || other.extra_models.includes(model);
  return earlier.flatMap((other) => {
    if (entry.name === other.name) return [`${path}/name: expected a name of its own (got "${entry.name}" again)`];
    const taken = [entry.name, ...entry.extra_models].filter((model) => claimed(other, model));
    const stolen = other.extra_models.filter((model) => model.startsWith(`${entry.name}/`));
    return [...taken, ...stolen].map((model) => `${path}: model "${model}" belongs to "${other.name}" already`);
  });
}

/** The limits, with sizes in bytes. */
export function limitsOf({ memory, cpus, pids }: Entry['limits']) {
  return {
    ...(memory !== undefined && { memoryBytes: toBytes(memory) }),
    ...(cpus !== undefined && { cpus }),
    ...(pids !== undefined && { pids }),
  };
}

/** Units of sizes are powers of 1024, as in container engines. */
function toBytes(size: string | number): number {
  if (typeof size === 'number') return size;
  const exponent = ' kmgt'.indexOf(size.at(-1) ?? '');
  return Math.floor(Number.parseFloat(size) * 1024 ** Math.max(exponent, 0));
}

/** Timeouts in milliseconds. */
export function timeoutsOf(seconds: Entry['timeouts']) {
  return {
    pullMs: seconds.pull_seconds * 1000,
    startMs: seconds.start_seconds * 1000,
    ...(seconds.ready_seconds !== undefined && { readyMs: seconds.ready_seconds * 1000 }),
    healthMs: seconds.health_seconds * 1000,
    stopGraceMs: seconds.stop_grace_seconds * 1000,
    firstByteMs: seconds.first_byte_seconds * 1000,
    betweenChunksMs: seconds.between_chunks_seconds * 1000,
    totalMs: seconds.total_seconds * 1000,
  };
}
