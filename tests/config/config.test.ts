import { describe, expect, test } from 'bun:test';
import { ConfigError, loadConfig } from '../../router/config/config';
import { repositoryRoot } from '../../router/config/root';

const key = 'ab'.repeat(32);
const base = { JWT_SECRET: 'j'.repeat(32), ENCRYPTION_KEY: key };

/** The invalid variables, each once per problem. */
function blamed(env: Record<string, string>): string[] {
  try {
    loadConfig({ ...base, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.variable);
    throw error;
  }
  return [];
}

describe('defaults', () => {
  test('two secrets are enough, and everything else has a default that is safe on a network', () => {
    const { config } = loadConfig(base);
    expect(config).toEqual({
      dataRoot: `${repositoryRoot}/data`,
      hostStackRoot: `${repositoryRoot}/data`,
      databasePath: `${repositoryRoot}/data/router.db`,
      homesRoot: `${repositoryRoot}/data/homes`,
      attachmentsRoot: `${repositoryRoot}/data/attachments`,
      attachments: { bytesMax: 10_485_760, countMax: 10, userBytesMax: 1_073_741_824, toldMessages: 10 },
      backups: { root: `${repositoryRoot}/data/backups`, kept: 7 },
      retention: { callsMs: Infinity, deletedUsersMs: 30 * 86_400_000, deletedHomesMs: 30 * 86_400_000 },
      seedsRoot: `${repositoryRoot}/seeds`,
      backendsPath: `${repositoryRoot}/backends.json`,
      driverOptions: {},
      public: { host: '127.0.0.1', port: 18000 },
      internal: { port: 18080 },
      allowedHosts: [],
      trustedProxies: [],
      session: { cookieName: 'agent_stack_session', cookieSecure: false, ttlSeconds: 604800 },
      signup: { open: false },
      passwordSignIn: true,
      idle: { defaultSeconds: 600, minSeconds: 60, maxSeconds: 21600 },
      reaperIntervalMs: 30_000,
      pauseIdleMs: Number.POSITIVE_INFINITY,
      capacity: { runners: 100, runnersPerUser: 10, starts: 4, queueMs: 60_000 },
      readyTimeoutMs: 90_000,
      prepullAtStartup: false,
      schedules: { perUser: 20, gapMs: 300_000 },
      maxAgentsPerBackend: 3,
      allowPrivateUpstreams: true,
      maxBodyBytes: 20 * 1024 * 1024,
      responses: { areKept: true, retentionMs: 30 * 86_400_000 },
      maxAnswerBytes: 16 * 1024 * 1024,
      held: { total: 128 * 1024 * 1024, perHolder: 64 * 1024 * 1024 },
      requests: { total: 4096, perHolder: 2048 },
      drainMs: 5_000,
      logLevel: 'info',
      auditRetentionDays: 365,
    });
  });

  test('an empty variable counts as unset', () => {
    expect(loadConfig({ ...base, FRONTEND_PORT: '', ROUTER_BIND_HOST: ' ' }).config).toEqual(loadConfig(base).config);
  });

  test('paths follow the data root, and relative ones start at the repository', () => {
    const { config } = loadConfig({ ...base, STACK_DATA_ROOT: '/srv/stack', SEEDS_ROOT: 'my/seeds' });
    expect(config.databasePath).toBe('/srv/stack/router.db');
    expect(config.homesRoot).toBe('/srv/stack/homes');
    expect(config.hostStackRoot).toBe('/srv/stack');
    expect(config.seedsRoot).toBe(`${repositoryRoot}/my/seeds`);
  });
});

describe('values', () => {
  test('every setting arrives where the router looks for it', () => {
    const { config, secrets } = loadConfig({
      ...base,
      HOST_STACK_ROOT: '/host',
      DRIVERS_DIR: '/drivers',
      DRIVER_OPTIONS: '{"docker":{"network":"agents"}}',
      FRONTEND_BIND_HOST: '::',
      FRONTEND_PORT: '0',
      ROUTER_BIND_HOST: '10.0.0.1',
      ROUTER_PUBLIC_BASE_URL: 'https://Agents.example.org/',
      ALLOWED_HOSTS: 'agents.lan, Other.LAN',
      ALLOW_SIGNUP: 'Yes',
      ALLOW_PRIVATE_UPSTREAMS: 'no',
      INVITE_CODE: 'tall-green-bicycle',
      BOOTSTRAP_ADMIN_EMAIL: 'root@agents.lan',
      BOOTSTRAP_ADMIN_PASSWORD: 'four words and more',
      REAPER_INTERVAL_SECONDS: '0.5',
      BACKEND_PORT_START: '19000',
      BACKEND_PORT_END: '19999',
      LOG_LEVEL: 'DEBUG',
    });
    expect(config).toMatchObject({
      hostStackRoot: '/host',
      driversDir: '/drivers',
      driverOptions: { docker: { network: 'agents' } },
      public: { host: '::', port: 0 },
      internal: { host: '10.0.0.1', port: 18080 },
      publicUrl: 'https://agents.example.org',
      allowedHosts: ['agents.lan', 'other.lan'],
      signup: { open: true },
      allowPrivateUpstreams: false,
      bootstrapAdmin: { email: 'root@agents.lan', name: 'Admin' },
      reaperIntervalMs: 500,
      portRange: { start: 19000, end: 19999 },
      logLevel: 'debug',
    });
    expect(secrets.inviteCode).toBe('tall-green-bicycle');
    expect(secrets.bootstrapAdminPassword).toBe('four words and more');
  });

  test('a limit of 0 is no limit', () => {
    const { config } = loadConfig({ ...base, MAX_RUNNERS: '0', MAX_RUNNERS_PER_USER: '0', MAX_STARTS: '0' });
    expect(config.capacity).toMatchObject({ runners: Infinity, runnersPerUser: Infinity, starts: Infinity });
  });

  test.each(['1', 'true', 'YES', 'on'])('%p means true', (text) => {
    expect(loadConfig({ ...base, COOKIE_SECURE: text }).config.session.cookieSecure).toBe(true);
  });

  test.each(['0', 'false', 'No', 'off'])('%p means false', (text) => {
    expect(loadConfig({ ...base, COOKIE_SECURE: text }).config.session.cookieSecure).toBe(false);
  });

  test('the encryption key is 32 bytes, written as hex, base64 or base64url', () => {
    const bytes = new Uint8Array(Buffer.from(key, 'hex'));
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      const text = Buffer.from(bytes).toString(encoding);
      expect(loadConfig({ ...base, ENCRYPTION_KEY: text }).secrets.encryptionKey).toEqual(bytes);
    }
  });
});

describe('refusals', () => {
  test.each([
    ['JWT_SECRET', ''],
    ['JWT_SECRET', 'short'],
    ['JWT_SECRET', 'CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME'],
    ['JWT_SECRET', '<put a long random text of 32 here>'],
    ['ENCRYPTION_KEY', ''],
    ['ENCRYPTION_KEY', 'CHANGE_ME'],
    ['ENCRYPTION_KEY', 'ab'.repeat(31)],
    ['FRONTEND_PORT', '65536'],
    ['FRONTEND_PORT', '18000x'],
    ['FRONTEND_BIND_HOST', 'http://localhost'],
    ['ROUTER_PUBLIC_BASE_URL', 'agents.example.org'],
    ['ROUTER_PUBLIC_BASE_URL', 'https://agents.example.org/below'],
    ['ROUTER_PUBLIC_BASE_URL', 'http://lan'],
    ['ALLOWED_HOSTS', 'agents.lan,lan'],
    ['ALLOWED_HOSTS', 'agents.lan:8080'],
    ['ALLOW_SIGNUP', 'maybe'],
    ['COOKIE_NAME', 'a b'],
    ['JWT_TTL_SECONDS', '1.5'],
    ['HOST_STACK_ROOT', 'data'],
    ['DRIVER_OPTIONS', '{"docker":1}'],
    ['DRIVER_OPTIONS', 'docker'],
    ['MAX_BODY_BYTES', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['BUN_CONFIG_MAX_HTTP_REQUESTS', 'many'],
  ])('%s=%p is refused', (variable, value) => {
    expect(blamed({ [variable]: value })).toEqual([variable]);
  });

  test.each([
    ['BOOTSTRAP_ADMIN_PASSWORD', { BOOTSTRAP_ADMIN_EMAIL: 'a@b.lan', BOOTSTRAP_ADMIN_PASSWORD: 'CHANGE_ME_PLEASE' }],
    ['BOOTSTRAP_ADMIN_PASSWORD', { BOOTSTRAP_ADMIN_EMAIL: 'a@b.lan', BOOTSTRAP_ADMIN_PASSWORD: 'elevenchars' }],
    ['BOOTSTRAP_ADMIN_PASSWORD', { BOOTSTRAP_ADMIN_EMAIL: 'a@b.lan' }],
    ['BOOTSTRAP_ADMIN_PASSWORD', { BOOTSTRAP_ADMIN_PASSWORD: 'twelve chars' }],
    ['ROUTER_PORT', { FRONTEND_PORT: '9000', ROUTER_PORT: '9000' }],
    ['BACKEND_PORT_END', { BACKEND_PORT_START: '19000' }],
    ['BACKEND_PORT_END', { BACKEND_PORT_END: '19000' }],
    ['BACKEND_PORT_END', { BACKEND_PORT_START: '19001', BACKEND_PORT_END: '19000' }],
    ['BACKEND_PORT_START', { BACKEND_PORT_START: '18000', BACKEND_PORT_END: '19000' }],
    ['DEFAULT_IDLE_SECONDS', { MIN_IDLE_SECONDS: '700', MAX_IDLE_SECONDS: '650' }],
    ['COOKIE_SECURE', { COOKIE_SECURE: 'true', ROUTER_PUBLIC_BASE_URL: 'http://agents.lan' }],
  ])('%s is blamed for %p', (variable, env) => {
    expect(blamed(env)).toEqual([variable]);
  });

  test('all problems are reported at once, each with its rule and an example', () => {
    const error = catching(() => loadConfig({ FRONTEND_PORT: 'x', MIN_IDLE_SECONDS: '5000' }));
    expect(error.problems.map((problem) => problem.variable)).toEqual([
      'JWT_SECRET',
      'ENCRYPTION_KEY',
      'FRONTEND_PORT',
      'DEFAULT_IDLE_SECONDS',
    ]);
    expect(error.message).toContain('FRONTEND_PORT: must be a whole number from 0 to 65535. Example: 18000');
  });

  test('a problem never quotes the value: it could be a secret', () => {
    const error = catching(() => loadConfig({ ...base, JWT_SECRET: 'hunter2' }));
    expect(error.message).not.toContain('hunter2');
  });
});

describe('secrets', () => {
  test('no secret shows when config or secrets are logged', () => {
    const loaded = loadConfig({
      ...base,
      BOOTSTRAP_ADMIN_EMAIL: 'a@b.lan',
      BOOTSTRAP_ADMIN_PASSWORD: 'correct horse battery',
      INVITE_CODE: 'tall-green-bicycle',
    });
    const shown = JSON.stringify(loaded) + Bun.inspect(loaded) + JSON.stringify(loaded.config);
    for (const secret of [base.JWT_SECRET, key, 'correct horse', 'bicycle']) expect(shown).not.toContain(secret);
    expect(JSON.stringify(loaded.secrets)).toBe('"[secret]"');
  });

  test('the router reads no LLM variable of its environment', () => {
    const asked = new Set<string>();
    const env = new Proxy<Record<string, string>>(
      { ...base, LLM_API_KEY: 'sk-real', LLM_BASE_URL: 'http://llm.lan' },
      {
        get: (target, name) => {
          asked.add(String(name));
          return Reflect.get(target, name);
        },
      },
    );
    const { config, secrets } = loadConfig(env);
    expect(JSON.stringify([config, { ...secrets, toJSON: undefined }])).not.toMatch(/sk-real|llm\.lan/);
    expect(asked).toContain('JWT_SECRET');
    expect([...asked].filter((name) => name.startsWith('LLM_'))).toEqual([]);
  });
});

function catching(act: () => unknown): ConfigError {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('settings of the first agent-stack', () => {
  const notesOf = (env: Record<string, string>) =>
    loadConfig({ ...base, ...env }).notes.map(({ variable }) => variable);

  test('are read as they were meant, with a note on each that is written otherwise here', () => {
    const { config, notes } = loadConfig({
      ...base,
      LOG_LEVEL: 'WARNING',
      ALLOW_SIGNUP: 'y',
      DEFAULT_IDLE_SECONDS: '30',
      MIN_IDLE_SECONDS: '60',
    });
    expect(config).toMatchObject({ logLevel: 'warn', signup: { open: false }, idle: { defaultSeconds: 60 } });
    expect(notes.map(({ variable }) => variable)).toEqual(['LOG_LEVEL', 'ALLOW_SIGNUP', 'DEFAULT_IDLE_SECONDS']);
    expect(notes[2]?.note).toContain('Write DEFAULT_IDLE_SECONDS=60.');
  });

  test.each([
    ['0', 21_600],
    ['59', 60],
    ['86400', 21_600],
  ])('DEFAULT_IDLE_SECONDS=%s becomes the nearest allowed time', (text, seconds) => {
    expect(loadConfig({ ...base, DEFAULT_IDLE_SECONDS: text }).config.idle.defaultSeconds).toBe(seconds);
  });

  test('that have no meaning here are named, and those that are understood are not', () => {
    expect(notesOf({ ROOM_TURN_LIMIT: '6', BACKEND_BIND_HOST: '127.0.0.1', ROUTER_BIND_HOST: '0.0.0.0' })).toEqual([
      'ROOM_TURN_LIMIT',
      'BACKEND_BIND_HOST',
      'ROUTER_BIND_HOST',
    ]);
    expect(
      notesOf({ ROOM_TURN_LIMIT: ' ', LOG_LEVEL: 'info', ALLOW_SIGNUP: 'true', ROUTER_BIND_HOST: '127.0.0.1' }),
    ).toEqual([]);
  });

  test('a note never quotes the value of another setting', () => {
    const { notes } = loadConfig({ ...base, ROOM_COOLDOWN: 'hunter2', JWT_SECRET: 's'.repeat(40) });
    expect(JSON.stringify(notes)).not.toMatch(/hunter2|ssss/);
  });
});
