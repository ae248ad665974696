/** Reads the environment, and is the only module that does. Validates all settings and reports all problems together. */
import { join } from 'node:path';
import type { Json } from '../../drivers/driver';
import type { AllowanceLimits } from '../lib/allowance';
import type { LogFile } from '../lib/log';
import type { TracingOptions } from '../lib/tracing';
import { crossChecks } from './cross-checks';
import { type OidcConfig, toOidc } from './oidc';
import { type SettingNote, translateSettings } from './predecessor';
import { type Secrets, toSecrets } from './secrets';
import { settings, type Values } from './settings';

/**
 * The settings without secrets, so it may be logged in full. Paths are absolute. Names end in `Ms` for milliseconds and in
 * `Seconds` for seconds. `router/config/settings.ts` documents each setting.
 */
export interface Config {
  readonly dataRoot: string;
  /** Path of the data root on the host of the container engine. */
  readonly hostStackRoot: string;
  readonly databasePath: string;
  readonly homesRoot: string;
  readonly attachmentsRoot: string;
  readonly attachments: {
    readonly bytesMax: number;
    /** Files of one message. */
    readonly countMax: number;
    readonly userBytesMax: number;
    /** How many of the newest messages an agent is sent with their files again. */
    readonly toldMessages: number;
  };
  readonly backups: {
    readonly root: string;
    /** Absent: no scheduled backups. */
    readonly everyMs?: number;
    readonly kept: number;
  };
  /** For how long something is kept. `Infinity`: for ever. */
  readonly retention: { readonly callsMs: number; readonly deletedHomesMs: number; readonly deletedUsersMs: number };
  readonly seedsRoot: string;
  readonly backendsPath: string;
  readonly driversDir?: string;
  /** Driver name, as in `backends.json` → options of the driver. */
  readonly driverOptions: Readonly<Record<string, Record<string, Json>>>;
  readonly public: { readonly host: string; readonly port: number };
  /** Without `host`: loopback, and the addresses that the drivers need. */
  readonly internal: { readonly host?: string; readonly port: number };
  /** An origin, without path and trailing slash. */
  readonly publicUrl?: string;
  /** Further host names, in lower case. Loopback, IP addresses and the host of `publicUrl` are always allowed. */
  readonly allowedHosts: readonly string[];
  /** Addresses and ranges of proxies whose `X-Forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call `/v1`; `*`: any origin. */
  readonly corsOrigins?: readonly string[] | '*';
  readonly session: { readonly cookieName: string; readonly cookieSecure: boolean; readonly ttlSeconds: number };
  readonly signup: { readonly open: boolean };
  /** Absent: people sign in with passwords only. */
  readonly oidc?: OidcConfig;
  /** Whether others than the administrator sign in with passwords. */
  readonly passwordSignIn: boolean;
  readonly bootstrapAdmin?: { readonly email: string; readonly name: string };
  readonly idle: { readonly defaultSeconds: number; readonly minSeconds: number; readonly maxSeconds: number };
  /** Agents that a user may have of one backend. */
  readonly maxAgentsPerBackend: number;
  /** Schedules that a user may have, and the shortest time between two runs of one. */
  readonly schedules: { readonly perUser: number; readonly gapMs: number };
  readonly reaperIntervalMs: number;
  /** Milliseconds without work after which a runner is paused; `Infinity`: never. */
  readonly pauseIdleMs: number;
  /** `Infinity` means no limit. */
  readonly capacity: {
    readonly runners: number;
    readonly runnersPerUser: number;
    readonly starts: number;
    readonly queueMs: number;
  };
  /** Both ends inclusive. Absent: the kernel picks the ports. */
  readonly portRange?: { readonly start: number; readonly end: number };
  readonly readyTimeoutMs: number;
  readonly prepullAtStartup: boolean;
  readonly allowPrivateUpstreams: boolean;
  readonly maxBodyBytes: number;
  /** Defaults for answers of `/v1/responses` when the request does not say whether to keep them. */
  readonly responses: { readonly areKept: boolean; readonly retentionMs: number };
  /** Longest answer that is recorded, translated or kept. */
  readonly maxAnswerBytes: number;
  /** Bytes of long requests and answers that are held in memory at once. */
  readonly held: AllowanceLimits;
  /** Number of open requests, live pages and answers at once. */
  readonly requests: AllowanceLimits;
  readonly auditRetentionDays: number;
  /** What open requests and answers get to end by themselves when the router is stopped. */
  readonly drainMs: number;
  /** Absent: no traces. */
  readonly tracing?: TracingOptions;
  /** Absent: the log goes to the standard output. */
  readonly logFile?: LogFile;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

export type Env = Readonly<Record<string, string | undefined>>;

/** The environment of the process. No other module of the router reads `Bun.env`. */
export const environment: Env = Bun.env;

interface ConfigProblem {
  readonly variable: string;
  /** The rule that the value breaks, for example `must be a port`. */
  readonly rule: string;
  readonly example: string;
}

/** Lists every problem of the settings. The message never contains a value, because the value could be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ variable, rule, example }) => `  ${variable}: ${rule}. Example: ${example}`);
    super(
      `The settings have ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${lines.join('\n')}`,
    );
  }
}

const DAY_MS = 86_400_000;

/**
 * Returns config and secrets from the variables of `env`, and notes on settings of the first agent-stack. Throws a
 * `ConfigError` that lists every problem.
 */
export function loadConfig(env: Env): { config: Config; secrets: Secrets; notes: readonly SettingNote[] } {
  const { translated, notes } = translateSettings(env);
  const values = readEnv(env, translated);
  return { config: toConfig(values), secrets: toSecrets(values), notes };
}

function readEnv(env: Env, translated: Env): Values {
  const values: Record<string, unknown> = {};
  const problems: ConfigProblem[] = [];
  for (const [variable, setting] of settings) {
    const inLowerCase = setting.isAnyCase && env[variable.toLowerCase()]?.trim();
    const text = translated[variable] || inLowerCase || env[variable]?.trim() || setting.default;
    if (text === undefined && !setting.required) continue;
    values[variable] = setting.parse(text ?? '');
    if (values[variable] === undefined) {
      problems.push({ variable, rule: `must be ${setting.rule}`, example: setting.example });
    }
  }
  const broken = new Set(problems.map((problem) => problem.variable));
  // Invalid settings are missing in `values`. The cast is safe: the checks below skip them, and the function throws
  // before it returns them.
  const read = values as Values;
  for (const { variables, rule, example, holds } of crossChecks) {
    if (variables.some((name) => broken.has(name)) || holds(read)) continue;
    problems.push({ variable: variables[0], rule, example });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return read;
}

function toConfig(v: Values): Config {
  const dataRoot = v.STACK_DATA_ROOT;
  const [portStart, portEnd] = [v.BACKEND_PORT_START, v.BACKEND_PORT_END];
  return {
    dataRoot,
    hostStackRoot: v.HOST_STACK_ROOT ?? dataRoot,
    databasePath: v.DB_PATH ?? join(dataRoot, 'router.db'),
    homesRoot: v.USERS_ROOT ?? join(dataRoot, 'homes'),
    attachmentsRoot: v.ATTACHMENTS_ROOT ?? join(dataRoot, 'attachments'),
    attachments: {
      bytesMax: v.MAX_ATTACHMENT_BYTES,
      countMax: v.MAX_ATTACHMENTS,
      userBytesMax: v.MAX_ATTACHMENT_BYTES_PER_USER,
      toldMessages: v.ATTACHMENT_MESSAGES,
    },
    backups: {
      root: v.BACKUP_ROOT ?? join(dataRoot, 'backups'),
      ...(v.BACKUP_HOURS > 0 && { everyMs: v.BACKUP_HOURS * 3_600_000 }),
      kept: v.BACKUP_KEEP,
    },
    retention: {
      callsMs: v.USAGE_DAYS * DAY_MS || Infinity,
      deletedUsersMs: v.DELETED_USERS_DAYS * DAY_MS,
      deletedHomesMs: v.DELETED_HOMES_DAYS * DAY_MS || Infinity,
    },
    seedsRoot: v.SEEDS_ROOT,
    backendsPath: v.BACKENDS_CONFIG_PATH,
    ...(v.DRIVERS_DIR && { driversDir: v.DRIVERS_DIR }),
    driverOptions: v.DRIVER_OPTIONS,
    public: { host: v.FRONTEND_BIND_HOST, port: v.FRONTEND_PORT },
    internal: { ...(v.ROUTER_BIND_HOST && { host: v.ROUTER_BIND_HOST }), port: v.ROUTER_PORT },
    ...(v.ROUTER_PUBLIC_BASE_URL && { publicUrl: v.ROUTER_PUBLIC_BASE_URL }),
    allowedHosts: v.ALLOWED_HOSTS ?? [],
    trustedProxies: v.TRUST_PROXY ?? [],
    ...(v.CORS_ORIGINS && { corsOrigins: v.CORS_ORIGINS }),
    session: { cookieName: v.COOKIE_NAME, cookieSecure: v.COOKIE_SECURE, ttlSeconds: v.JWT_TTL_SECONDS },
    signup: { open: v.ALLOW_SIGNUP },
    ...toOidc(v),
    passwordSignIn: v.PASSWORD_SIGN_IN,
    ...(v.BOOTSTRAP_ADMIN_EMAIL && {
      bootstrapAdmin: { email: v.BOOTSTRAP_ADMIN_EMAIL, name: v.BOOTSTRAP_ADMIN_NAME },
    }),
    idle: {
      defaultSeconds: v.DEFAULT_IDLE_SECONDS,
      minSeconds: v.MIN_IDLE_SECONDS,
      maxSeconds: v.MAX_IDLE_SECONDS,
    },
    maxAgentsPerBackend: v.MAX_AGENTS_PER_BACKEND,
    schedules: { perUser: v.MAX_SCHEDULES_PER_USER, gapMs: v.MIN_SCHEDULE_SECONDS * 1000 },
    reaperIntervalMs: v.REAPER_INTERVAL_SECONDS * 1000,
    pauseIdleMs: v.PAUSE_IDLE_SECONDS === 0 ? Number.POSITIVE_INFINITY : v.PAUSE_IDLE_SECONDS * 1000,
    capacity: {
      runners: v.MAX_RUNNERS || Infinity,
      runnersPerUser: v.MAX_RUNNERS_PER_USER || Infinity,
      starts: v.MAX_STARTS || Infinity,
      queueMs: v.START_QUEUE_SECONDS * 1000,
    },
    ...(portStart !== undefined && portEnd !== undefined && { portRange: { start: portStart, end: portEnd } }),
    readyTimeoutMs: v.BACKEND_STARTUP_TIMEOUT * 1000,
    prepullAtStartup: v.BACKEND_PREPULL_AT_STARTUP,
    allowPrivateUpstreams: v.ALLOW_PRIVATE_UPSTREAMS,
    maxBodyBytes: v.MAX_BODY_BYTES,
    responses: { areKept: v.STORE_RESPONSES, retentionMs: v.RESPONSES_RETENTION_DAYS * DAY_MS },
    maxAnswerBytes: v.MAX_ANSWER_BYTES,
    held: { total: v.MAX_HELD_BYTES, perHolder: v.MAX_HELD_BYTES_PER_USER },
    requests: { total: v.MAX_REQUESTS, perHolder: v.MAX_REQUESTS_PER_USER },
    auditRetentionDays: v.AUDIT_RETENTION_DAYS,
    drainMs: v.DRAIN_SECONDS * 1000,
    ...(v.OTEL_EXPORTER_OTLP_ENDPOINT && {
      tracing: {
        endpoint: v.OTEL_EXPORTER_OTLP_ENDPOINT,
        serviceName: v.OTEL_SERVICE_NAME,
        ratio: v.OTEL_TRACES_SAMPLER_ARG,
      },
    }),
    ...(v.LOG_FILE && {
      logFile: { path: v.LOG_FILE, megabytesMax: v.LOG_FILE_MEGABYTES, kept: v.LOG_FILES_KEPT },
    }),
    logLevel: v.LOG_LEVEL,
  };
}
