// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how backends.json names its variables
import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackendRegistry, BackendsError } from '../../router/backends/backends';
import { fillIn } from '../../router/backends/fill-in';
import { repositoryRoot } from '../../router/config/root';

const folder = mkdtempSync(join(tmpdir(), 'backends-'));
const path = join(folder, 'backends.json');

function write(file: unknown): void {
  writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file));
}

function load(file: unknown): BackendRegistry {
  write(file);
  return BackendRegistry.load(path);
}

function problemsOf(file: unknown): readonly string[] {
  try {
    load(file);
  } catch (error) {
    if (error instanceof BackendsError) return error.problems;
    throw error;
  }
  return [];
}

describe('loading', () => {
  test('the backends of the repository are in order', () => {
    const registry = BackendRegistry.load(join(repositoryRoot, 'backends.json'));
    expect(registry.all().map((backend) => [backend.name, backend.driver, backend.trusted])).toEqual([
      ['demo', 'process', true],
      ['direct', 'process', true],
      ['openclaw', 'docker', false],
      ['hermes-agent', 'docker', false],
      ['nanobot', 'docker', false],
    ]);
    expect(registry.find('demo')?.command).toEqual(['bun', `${repositoryRoot}/backends/demo/main.ts`]);
  });

  test('a name is enough: every other member has a default', () => {
    expect(load([{ name: 'one' }]).all()).toEqual([
      {
        name: 'one',
        displayName: 'one',
        suggestions: [],
        disabled: false,
        driver: 'docker',
        driverOptions: {},
        trusted: false,
        attachments: false,
        command: [],
        internalPort: 8080,
        healthPath: '/healthz',
        readyPath: '/v1/models',
        extraModels: [],
        apiKeyEnv: 'OPENAI_API_KEY',
        apiKeyHeader: 'Authorization',
        apiKeyScheme: 'Bearer',
        mountTarget: '/home/agent',
        templatedFiles: [],
        extraEnv: {},
        userOverridableEnv: [],
        agentEnv: [],
        credentials: 'broker',
        networkMode: 'bridge',
        extraHosts: {},
        extraNetworks: [],
        dns: [],
        headers: {},
        sessionBody: {},
        omitBody: [],
        streamLacksRole: false,
        history: 'full',
        paths: ['chat/completions', 'models'],
        limits: {},
        timeouts: {
          pullMs: 900_000,
          startMs: 30_000,
          healthMs: 5000,
          stopGraceMs: 10_000,
          firstByteMs: 900_000,
          betweenChunksMs: 900_000,
          totalMs: 3_600_000,
        },
      },
    ]);
  });

  test("an entry of the predecessor is read as it stands, with its nulls meaning 'not set'", () => {
    const [backend] = load([
      {
        name: 'nanobot',
        display_name: 'nanobot (HKUDS)',
        image: 'agstack/nanobot-hkuds:0.1.5.post3',
        container_prefix: 'agstack-nanobot',
        internal_port: 8900,
        health_path: '/health',
        ready_path: '/v1/models',
        extra_models: ['nanobot/main'],
        seed_subdir: 'nanobot-home',
        mount_target: '/home/nanobot/.nanobot',
        extra_env: {},
        user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'],
        templated_files: ['config.json', 'AGENTS.md'],
        cmd: null,
        user: null,
        chown_uid: 1000,
        chown_gid: null,
        network_mode: 'bridge',
        extra_hosts: { 'host.docker.internal': 'host-gateway' },
        extra_networks: [],
        dns: [],
        default_idle_seconds: 1800,
        disabled: false,
        forward_model_env: 'LLM_MODEL',
      },
    ]).all();
    expect(backend).toMatchObject({ command: [], homeOwner: { uid: 1000, gid: 1000 }, forwardModelEnv: 'LLM_MODEL' });
    expect(backend).not.toHaveProperty('user');
  });

  test('limits and timeouts arrive as bytes and milliseconds', () => {
    const [backend] = load([
      {
        name: 'one',
        limits: { memory: '1.5g', cpus: 0.5, pids: 64 },
        timeouts: {
          ...{ pull_seconds: 1, start_seconds: 2.5, ready_seconds: 3, stop_grace_seconds: 0, health_seconds: 2.5 },
          ...{ first_byte_seconds: 4, between_chunks_seconds: 5, total_seconds: 6 },
        },
      },
      { name: 'two', limits: { memory: 4096 } },
    ]).all();
    expect(backend?.limits).toEqual({ memoryBytes: 1_610_612_736, cpus: 0.5, pids: 64 });
    expect(backend?.timeouts).toEqual({
      ...{ pullMs: 1000, startMs: 2500, readyMs: 3000, healthMs: 2500, stopGraceMs: 0 },
      ...{ firstByteMs: 4000, betweenChunksMs: 5000, totalMs: 6000 },
    });
  });

  test('a variable that is not known stays in the text', () => {
    expect(fillIn('a-${user}-${x}', { user: 'u1' })).toBe('a-u1-${x}');
  });
});

describe('refusals', () => {
  test('all problems of the file are reported at once, each with its place and what is there', () => {
    expect(
      problemsOf([
        { name: 'one', internal_port: 0, history: 'some', colour: 'red' },
        { display_name: 'x', headers: { 'X-A': '${who}' } },
        { name: 'two', headers: { 'X-A': '${who}' }, cmd: ['${HOME}'], limits: { memory: 'much' } },
        { name: 'three', session_body: { id: '${BACKENDS_DIR}' } },
        { name: 'four', history: 'last-turn', history_reasoning: 'reasoning' },
      ]),
    ).toEqual([
      'backends.json/0/colour: unexpected property (got "red")',
      'backends.json/0/internal_port: expected integer to be greater or equal to 1 (got 0)',
      'backends.json/0/history: expected "full", "last-turn" or "one-message" (got "some")',
      'backends.json/1/name: expected required property',
      "backends.json/2/limits/memory: expected a number of bytes, or a size such as '512m' or '2g' (got \"much\")",
      'backends.json/3/session_body/id: expected no variable but ${conversation}, ${session}, ${user}, ${agent} (got ${BACKENDS_DIR})',
      'backends.json/4/history_reasoning: expected no member unless history is "full" (got "reasoning")',
    ]);
  });

  test.each([
    [{ cmd: { 0: 'x' } }, '/cmd: expected array'],
    [{ dns: { a: 1 } }, '/dns: expected array'],
    [{ headers: ['x'] }, '/headers: expected object'],
    [{ extra_env: [] }, '/extra_env: expected object'],
    [{ limits: ['1g'] }, '/limits: expected object'],
    [{ driver_options: [] }, '/driver_options: expected object'],
  ])('%j, an object for a list or a list for an object, is refused and not filled up', (member, problem) => {
    expect(problemsOf([{ name: 'a', ...member }]).join()).toContain(`backends.json/0${problem}`);
  });

  test('a member with a line break in its name is looked at like any other', () => {
    expect(problemsOf([{ name: 'a', session_body: { 'x\ny': 1 } }])).toHaveLength(1);
    expect(problemsOf([{ name: 'a', extra_hosts: { 'x\ny': ['1.2.3.4'] } }])).toHaveLength(1);
  });

  test('a command knows only the folder of the file', () => {
    expect(problemsOf([{ name: 'one', cmd: ['sh', '${HOME}/x'] }])).toEqual([
      'backends.json/0/cmd/1: expected no variable but ${BACKENDS_DIR} (got ${HOME})',
    ]);
  });

  test.each([
    ['not JSON', '[{'],
    ['not a list', '{}'],
    ['an empty list', '[]'],
    ['an entry that is no object', '[1]'],
    ['a name that would not do as a model id', [{ name: 'One two' }]],
    ['a file outside the home', [{ name: 'one', templated_files: ['../x'] }]],
    ['a seed outside the seeds', [{ name: 'one', seed_subdir: '/etc' }]],
    ['a path with dot segments', [{ name: 'one', paths: ['../admin'] }]],
    ['a header with a line break', [{ name: 'one', headers: { 'X-A': 'a\r\nX-B: b' } }]],
    ['a package outside node_modules', [{ name: 'one', driver: 'npm:../driver' }]],
  ])('%s is refused', (_, file) => {
    expect(problemsOf(file)).toHaveLength(1);
  });

  test('a file that is not there is refused with its path', () => {
    expect(() => BackendRegistry.load('/nowhere/backends.json')).toThrow('/nowhere/backends.json: cannot be read');
  });

  test.each([
    ['the same name', [{ name: 'a' }, { name: 'a' }]],
    [
      'the same further id',
      [
        { name: 'a', extra_models: ['x'] },
        { name: 'b', extra_models: ['x'] },
      ],
    ],
    ["another one's name", [{ name: 'a' }, { name: 'b', extra_models: ['a'] }]],
    ["an id below another one's name", [{ name: 'a' }, { name: 'b', extra_models: ['a/main'] }]],
    ['an id below the name of a later one', [{ name: 'a', extra_models: ['b/main'] }, { name: 'b' }]],
  ])('two backends cannot claim %s', (_, file) => {
    expect(problemsOf(file)).toHaveLength(1);
  });
});

describe('models', () => {
  const models = [
    { name: 'claw', display_name: 'Claw', extra_models: ['claw/main', 'gpt-claw'] },
    { name: 'claw2', disabled: true },
  ];

  test.each([
    ['claw', 'claw'],
    ['claw/main', 'claw'],
    ['claw/anything/below', undefined],
    ['gpt-claw', 'claw'],
    ['claw2', 'claw2'],
    ['gpt-claw/x', undefined],
    ['claw3', undefined],
    ['', undefined],
  ])('%p belongs to %p', (model, backend) => {
    expect(load(models).forModel(model)?.name).toBe(backend);
  });

  test('the list has every id with its backend, names with their display name', () => {
    expect(load(models).models()).toEqual([
      { id: 'claw', backend: 'claw', displayName: 'Claw' },
      { id: 'claw/main', backend: 'claw' },
      { id: 'gpt-claw', backend: 'claw' },
      { id: 'claw2', backend: 'claw2', displayName: 'claw2' },
    ]);
  });
});

describe('watching', () => {
  let registry: BackendRegistry | undefined;
  afterEach(() => registry?.[Symbol.dispose]());

  /** A registry of one backend called `one`, and a way to wait until it has looked at a change. */
  function watched(check?: () => Promise<string[]>) {
    const waiting: (() => void)[] = [];
    const loaded = load([{ name: 'one' }]);
    registry = loaded;
    loaded.watch(() => waiting.shift()?.(), check);
    return {
      registry: loaded,
      after: (change: () => void) =>
        new Promise<void>((resolve) => {
          waiting.push(resolve);
          change();
        }),
    };
  }

  const names = (of: BackendRegistry) => of.all().map((backend) => backend.name);

  test('a changed file is served without a restart', async () => {
    const { registry, after } = watched();
    await after(() => write([{ name: 'one' }, { name: 'two' }]));
    expect(names(registry)).toEqual(['one', 'two']);
  });

  test('a file renamed over the old one is served, as editors do it', async () => {
    const { registry, after } = watched();
    await after(() => {
      writeFileSync(`${path}.new`, JSON.stringify([{ name: 'two' }]));
      renameSync(`${path}.new`, path);
    });
    expect(names(registry)).toEqual(['two']);
  });

  test('a bad file leaves the old one serving and says why, until a good one comes', async () => {
    const { registry, after } = watched();
    await after(() => write([{ name: 'two', internal_port: 0 }]));
    expect(names(registry)).toEqual(['one']);
    expect(registry.problem).toStartWith('backends.json/0/internal_port: expected');
    await after(() => unlinkSync(path));
    expect(names(registry)).toEqual(['one']);
    expect(registry.problem).toContain('cannot be read');
    await after(() => write([{ name: 'two' }]));
    expect(names(registry)).toEqual(['two']);
    expect(registry.problem).toBeUndefined();
  });

  test('a file the caller objects to is not served', async () => {
    const { registry, after } = watched(async () => ['no such driver']);
    await after(() => write([{ name: 'two' }]));
    expect(names(registry)).toEqual(['one']);
    expect(registry.problem).toBe('no such driver');
  });

  test('a change between loading and watching is not missed', async () => {
    const loaded = load([{ name: 'one' }]);
    registry = loaded;
    write([{ name: 'two' }]);
    await new Promise<void>((resolve) => loaded.watch(resolve));
    expect(names(loaded)).toEqual(['two']);
  });
});

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
