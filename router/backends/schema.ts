/** The schema of an entry of `backends.json`: the members, a rule for each, and the units in which the router uses them. */
import { type Static, Type } from '@sinclair/typebox';
import type { Json } from '../../drivers/driver';

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

export const entrySchema = Type.Object(
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
    attachments: Type.Boolean({ default: false }),
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
    instructions_file: Type.Optional(insidePath),
    extra_env: Type.Record(variableName, Type.String(), { default: {}, additionalProperties: false }),
    user_overridable_env: Type.Array(variableName, { default: [] }),
    agent_env: Type.Array(variableName, { default: [], maxItems: 100 }),
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
    history_reasoning: Type.Optional(
      Type.Unsafe<'reasoning_content' | 'reasoning'>(
        text('"reasoning_content" or "reasoning"', '^(reasoning_content|reasoning)$'),
      ),
    ),
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

/** One entry of the file, with the defaults filled in. */
export type Entry = Static<typeof entrySchema>;

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
