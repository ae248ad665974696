/**
 * All settings of the router, each with description, allowed values and default. `scripts/docs.ts` generates
 * `.env.example` and `docs/settings.md` from this file.
 */

import { optional, preset, proxy, required, type Setting } from './define';
import {
  bindHost,
  driverOptions,
  flag,
  hosts,
  integer,
  key32,
  list,
  logLevel,
  matching,
  number,
  origin,
  origins,
  path,
  proxies,
  proxyUrl,
  secret,
  url,
} from './kinds';

const port = integer(0, 65535);
const limit = integer(0, 1_000_000);
const bytes = integer(1024, 1_073_741_824, ' of bytes');
const count = integer(1, 1_000_000);
const idle = integer(1, 31_536_000, ' of seconds');

/** Heading → settings, in the order of the documentation. An empty variable counts as unset. */
export const settingGroups = {
  Secrets: {
    JWT_SECRET: required(secret(32), {
      description: 'Signs the session cookies. A change signs all users out.',
      example: 'the output of: openssl rand -hex 32',
    }),
    ENCRYPTION_KEY: required(key32, {
      description: 'Encrypts stored credentials: 32 bytes as hex or base64. Without it nobody can read them.',
      example: 'the output of: openssl rand -hex 32',
    }),
    ENCRYPTION_KEY_PREVIOUS: optional(key32, {
      description:
        'The previous ENCRYPTION_KEY, for one start: values encrypted with it are encrypted again. `bun run rotate-key` sets both.',
      whenUnset: 'nothing is encrypted again',
      example: '5a'.repeat(32),
    }),
  },
  'First administrator': {
    BOOTSTRAP_ADMIN_EMAIL: optional(matching('an e-mail address', /^[^\s@]+@[^\s@]+$/), {
      description: 'E-mail address of the account that the first start creates. Requires the password.',
      example: 'admin@example.org',
    }),
    BOOTSTRAP_ADMIN_PASSWORD: optional(secret(12), {
      description: 'Password of that account, at least 12 characters. Not used once the account exists.',
      example: 'several words of your own',
    }),
    BOOTSTRAP_ADMIN_NAME: preset(matching('1 to 80 characters', /^.{1,80}$/u), 'Admin', 'Name of that account.'),
  },
  'Who gets in': {
    ALLOW_SIGNUP: preset(flag, 'false', 'Whether anybody may create an account. Otherwise administrators create them.'),
    INVITE_CODE: optional(secret(8), {
      description: 'With ALLOW_SIGNUP: the code that a new user must enter. Unset: no code is required.',
      example: 'tall-green-bicycle',
    }),
    COOKIE_NAME: preset(
      matching("letters, digits, '_' and '-'", /^[A-Za-z0-9_-]+$/),
      'agent_stack_session',
      'Name of the session cookie.',
    ),
    COOKIE_SECURE: preset(flag, 'false', 'Send the session cookie over HTTPS only. Turn on behind TLS.'),
    JWT_TTL_SECONDS: preset(integer(60, 34_560_000, ' of seconds'), '604800', 'How long a browser stays signed in.'),
  },
  'Sign-in with OpenID Connect': {
    OIDC_ISSUER: optional(url, {
      description:
        'Issuer of an OpenID Connect provider, such as Keycloak, with which people sign in. It sends them back to /sign-in/oidc/callback.',
      whenUnset: 'people sign in with passwords only',
      example: 'https://login.example.org/realms/team',
    }),
    OIDC_CLIENT_ID: optional(matching('1 to 200 characters without blanks', /^[\x21-\x7e]{1,200}$/), {
      description: 'Id of this router at the provider. Required with OIDC_ISSUER.',
      example: 'agent-stack',
    }),
    OIDC_CLIENT_SECRET: optional(secret(8), {
      description: 'Secret of this router at the provider. Unset: it is a public client there, secured by PKCE alone.',
      example: 'as-the-provider-shows-it',
    }),
    OIDC_SCOPES: preset(
      matching('words separated by blanks, openid among them', /^(?=(.* )?openid( |$))[\x21-\x7e]+( [\x21-\x7e]+)*$/),
      'openid email profile',
      'What the provider is asked for.',
    ),
    OIDC_NAME: optional(matching('1 to 40 characters', /^.{1,40}$/u), {
      description: 'What pages call the provider, as in “Sign in with …”.',
      whenUnset: 'the host of `OIDC_ISSUER`',
      example: 'Keycloak',
    }),
    OIDC_ALLOWED_DOMAINS: optional(hosts, {
      description: 'Domains of e-mail addresses that may sign in through the provider; subdomains are others.',
      whenUnset: 'any domain',
      example: 'example.org,example.com',
    }),
    OIDC_LINK_CLAIM: preset(
      matching('the name of a claim', /^[\x21-\x7e]{1,100}$/),
      'email',
      'Claim with the e-mail address of the account. `email` counts only with `email_verified`; any other claim, such as `upn`, is believed as the provider sends it.',
    ),
    OIDC_CREATE_ACCOUNTS: preset(
      flag,
      'false',
      'Whether people without an account get one when they first sign in through the provider. Otherwise the administrator adds or invites them.',
    ),
    PASSWORD_SIGN_IN: preset(
      flag,
      'true',
      'Whether people sign in with passwords. false, with OIDC_ISSUER: only the administrator does, and nobody signs up.',
    ),
  },
  Addresses: {
    FRONTEND_BIND_HOST: preset(bindHost, '127.0.0.1', 'Address of the public listener. 0.0.0.0: all addresses.'),
    FRONTEND_PORT: preset(port, '18000', 'Port of the public listener: pages, /auth, /api, /v1. 0: any free port.'),
    ROUTER_BIND_HOST: optional(bindHost, {
      description: 'Address of the internal listener, for runners. Never open it to the network.',
      whenUnset: 'loopback, and the addresses at which the drivers need it',
      example: '127.0.0.1',
    }),
    ROUTER_PORT: preset(integer(1, 65535), '18080', 'Port of the internal listener.'),
    ROUTER_PUBLIC_BASE_URL: optional(origin, {
      description: 'URL by which people reach the router behind a proxy, for example a TLS proxy.',
      example: 'https://agents.example.org',
    }),
    ALLOWED_HOSTS: optional(hosts, {
      description: 'Further host names that the router accepts, besides loopback, IP addresses and the public URL.',
      example: 'agents.lan,agents.example.org',
    }),
    TRUST_PROXY: optional(proxies, {
      description:
        'Proxies in front of the router whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses, ranges, ' +
        'loopback, linklocal or uniquelocal. Limits, sessions and the audit then have the addresses of people.',
      whenUnset: 'no proxy is believed',
      example: 'loopback,10.0.0.0/8',
    }),
    CORS_ORIGINS: optional(origins, {
      description: 'Origins whose pages may call /v1 from a browser, with a key. `*`: every origin.',
      whenUnset: 'no other site',
      example: 'https://chat.example.org,http://localhost:5173',
    }),
  },
  Data: {
    STACK_DATA_ROOT: preset(path, './data', 'Folder of everything the router stores. Relative: to the repository.'),
    HOST_STACK_ROOT: optional(matching('an absolute path', /^(\/|[A-Za-z]:[\\/])/), {
      description: 'Path of that folder for the container engine, if the router itself runs in a container.',
      whenUnset: '`STACK_DATA_ROOT`',
      example: '/srv/agent-stack/data',
    }),
    DB_PATH: optional(path, {
      description: 'The database.',
      whenUnset: '`router.db` in `STACK_DATA_ROOT`',
      example: './data/router.db',
    }),
    USERS_ROOT: optional(path, {
      description: 'Folder of the homes of agents.',
      whenUnset: '`homes` in `STACK_DATA_ROOT`',
      example: './data/homes',
    }),
    ATTACHMENTS_ROOT: optional(path, {
      description: 'Folder of the files that are attached to messages.',
      whenUnset: '`attachments` in `STACK_DATA_ROOT`',
      example: './data/attachments',
    }),
    SEEDS_ROOT: preset(path, './seeds', 'Folder of the seeds, with which new homes are filled.'),
  },
  'Attached files': {
    MAX_ATTACHMENT_BYTES: preset(
      bytes,
      '10485760',
      'Largest file of a message, in bytes. A text has at most 1 MiB, and all files of a message at most 70 % of MAX_BODY_BYTES.',
    ),
    MAX_ATTACHMENTS: preset(integer(1, 100), '10', 'Files of one message.'),
    MAX_ATTACHMENT_BYTES_PER_USER: preset(
      integer(1024, 1_099_511_627_776, ' of bytes'),
      '1073741824',
      'Bytes of all files of one user, those in answers included.',
    ),
    ATTACHMENT_MESSAGES: preset(
      integer(1, 400),
      '10',
      'The newest messages of a conversation whose files an agent is told again. A note stands in for those of older ones.',
    ),
  },
  Backups: {
    BACKUP_ROOT: optional(path, {
      description: 'Folder of the backups. Best on another disk than the data.',
      whenUnset: '`backups` in `STACK_DATA_ROOT`',
      example: '/mnt/backup/agent-stack',
    }),
    BACKUP_HOURS: preset(
      number(0, 8760, ' of hours'),
      '0',
      'Hours between two backups that the router makes by itself. 0: none.',
      '24',
    ),
    BACKUP_KEEP: preset(integer(1, 10_000), '7', 'Backups that are kept; scheduled backups remove the oldest.'),
  },
  Retention: {
    USAGE_DAYS: preset(
      integer(0, 36_500, ' of days'),
      '0',
      'Days for which single LLM calls are kept; totals stay in reports and budgets. 0: for ever.',
      '400',
    ),
    DELETED_USERS_DAYS: preset(
      integer(0, 36_500, ' of days'),
      '30',
      'Days for which a deleted user is kept, with conversations and homes, and can be restored. 0: not at all.',
    ),
    DELETED_HOMES_DAYS: preset(
      integer(0, 36_500, ' of days'),
      '30',
      'Days for which the home of a deleted agent is kept in `.trash` of `USERS_ROOT`. 0: for ever.',
    ),
  },
  'Backends and drivers': {
    BACKENDS_CONFIG_PATH: preset(path, './backends.json', 'The backends. Read again whenever it changes.'),
    DRIVERS_DIR: optional(path, {
      description: 'A further folder of drivers, with a folder per driver.',
      example: './my-drivers',
    }),
    DRIVER_OPTIONS: preset(
      driverOptions,
      '{}',
      'Options of drivers: a JSON object by driver name.',
      '{"docker":{"network":"agents"}}',
    ),
    BACKEND_PORT_START: optional(integer(1, 65535), {
      description: 'First port on which a driver may publish runners. Requires the last.',
      whenUnset: 'the kernel picks',
      example: '19000',
    }),
    BACKEND_PORT_END: optional(integer(1, 65535), {
      description: 'Last port on which a driver may publish runners.',
      whenUnset: 'the kernel picks',
      example: '19999',
    }),
    BACKEND_STARTUP_TIMEOUT: preset(
      number(1, 86_400, ' of seconds'),
      '90',
      'Seconds that a started runner may take until it is ready.',
    ),
    BACKEND_PREPULL_AT_STARTUP: preset(flag, 'false', 'Fetch the images of all backends at start.'),
  },
  Upstreams: {
    ALLOW_PRIVATE_UPSTREAMS: preset(
      flag,
      'true',
      'Whether LLM_BASE_URL may be a loopback or private address, such as that of Ollama on this host. ' +
        'Then every user can make the router call services there: turn it off if you do not trust your users.',
    ),
    HTTPS_PROXY: proxy(proxyUrl, {
      description: 'HTTP proxy for calls to https LLM APIs. Runners are never called through a proxy.',
      whenUnset: '`ALL_PROXY`',
      example: 'http://proxy.example.org:3128',
    }),
    HTTP_PROXY: proxy(proxyUrl, {
      description: 'HTTP proxy for calls to http LLM APIs.',
      whenUnset: '`ALL_PROXY`',
      example: 'http://proxy.example.org:3128',
    }),
    ALL_PROXY: proxy(proxyUrl, {
      description: 'HTTP proxy for calls to LLM APIs without a proxy above.',
      whenUnset: 'they are called directly',
      example: 'http://proxy.example.org:3128',
    }),
    NO_PROXY: proxy(list, {
      description: 'Hosts that are called directly: domains with their subdomains, addresses, ranges; `*`: all.',
      whenUnset: 'only this machine',
      example: 'example.org,192.168.0.0/16',
    }),
  },
  Capacity: {
    MAX_RUNNERS: preset(
      limit,
      '100',
      'Maximum number of runners. At the limit, the longest idle one is stopped. 0: no limit.',
    ),
    MAX_RUNNERS_PER_USER: preset(limit, '10', 'The same per user. 0: no limit.'),
    MAX_AGENTS_PER_BACKEND: preset(integer(1, 1000), '3', 'Agents that a user may have of one backend.'),
    MAX_SCHEDULES_PER_USER: preset(
      integer(0, 1000),
      '20',
      'Schedules that a user may have: times at which an agent is asked by itself. 0: none.',
    ),
    MIN_SCHEDULE_SECONDS: preset(
      integer(60, 86_400, ' of seconds'),
      '300',
      'Shortest time between two runs of a schedule.',
    ),
    MAX_STARTS: preset(limit, '4', 'Runners that start at the same time; users take turns. 0: no limit.'),
    START_QUEUE_SECONDS: preset(
      number(0.01, 3600, ' of seconds'),
      '60',
      'Seconds that a start may wait in the queue. May be a fraction.',
    ),
  },
  'Idle runners': {
    DEFAULT_IDLE_SECONDS: preset(idle, '600', 'A runner without work is stopped after this many seconds.'),
    PAUSE_IDLE_SECONDS: preset(
      integer(0, 31_536_000, ' of seconds'),
      '0',
      'A runner without work is paused after this many seconds, where its driver can: it keeps its memory and takes no CPU, and the next message resumes it in about a second. Work that an agent does on its own stands still too. DEFAULT_IDLE_SECONDS still stops it. 0: never paused.',
    ),
    MIN_IDLE_SECONDS: preset(idle, '60', 'Shortest idle time that a user may choose.'),
    MAX_IDLE_SECONDS: preset(idle, '21600', 'Longest idle time that a user may choose.'),
    REAPER_INTERVAL_SECONDS: preset(
      number(0.01, 3600, ' of seconds'),
      '30',
      'Seconds between checks for idle runners. May be a fraction.',
    ),
  },
  'Stored responses': {
    STORE_RESPONSES: preset(
      flag,
      'true',
      "Whether answers of /v1/responses are stored if the request does not say, as in OpenAI's API. They are not listed among the user's conversations.",
    ),
    RESPONSES_RETENTION_DAYS: preset(
      integer(1, 3650, ' of days'),
      '30',
      'Days for which such answers are kept after the last request that continued them.',
    ),
  },
  'Sizes and numbers': {
    MAX_BODY_BYTES: preset(bytes, '20971520', 'Largest request, in bytes. Forms: at most 1 MiB.'),
    MAX_ANSWER_BYTES: preset(
      bytes,
      '16777216',
      'Longest answer that is recorded, translated or kept, in bytes. An answer that is only passed on has no limit.',
    ),
    MAX_HELD_BYTES: preset(
      bytes,
      '134217728',
      'Memory for long requests and answers, in bytes. Above it: 503, or the answer fails.',
    ),
    MAX_HELD_BYTES_PER_USER: preset(bytes, '67108864', 'The same per user. Above it: 429, or the answer fails.'),
    MAX_REQUESTS: preset(
      count,
      '4096',
      'Open requests, live pages, answers and calls of runners at once. Above it: 503.',
    ),
    MAX_REQUESTS_PER_USER: preset(count, '2048', 'Open requests and answers of one user at once. Above it: 429.'),
  },
  Operation: {
    AUDIT_RETENTION_DAYS: preset(
      integer(1, 36_500, ' of days'),
      '365',
      'Days for which the audit keeps who did what: sign-ins, accounts, keys, credentials, budgets.',
    ),
    LOG_LEVEL: preset(logLevel, 'info', 'Lowest level that is logged: debug, info, warn or error.'),
    OTEL_EXPORTER_OTLP_ENDPOINT: optional(url, {
      description: 'OpenTelemetry collector that gets traces by OTLP over HTTP; /v1/traces is added.',
      whenUnset: 'no traces are made',
      example: 'http://127.0.0.1:4318',
    }),
    OTEL_SERVICE_NAME: preset(
      matching('1 to 80 characters', /^.{1,80}$/u),
      'agent-stack',
      'Name of the service in traces.',
    ),
    OTEL_TRACES_SAMPLER_ARG: preset(
      number(0, 1),
      '1',
      'Share of the traces that are recorded. A caller that sends a traceparent decides for its own.',
      '0.1',
    ),
    LOG_FILE: optional(path, {
      description:
        'Writes the log to files: for /var/log/router.log router.1.log, router.2.log and so on, with current.log as a link to the newest.',
      whenUnset: 'the log goes to the standard output',
      example: '/var/log/agent-stack/router.log',
    }),
    LOG_FILE_MEGABYTES: preset(integer(1, 100_000), '50', 'Size at which a new log file is begun.'),
    LOG_FILES_KEPT: preset(integer(1, 10_000), '7', 'Log files that are kept.'),
    DRAIN_SECONDS: preset(
      number(0, 86_400, ' of seconds'),
      '5',
      'Seconds that open requests and answers get to end by themselves when the router is stopped. Give a supervisor ten more.',
    ),
    BUN_CONFIG_MAX_HTTP_REQUESTS: preset(
      integer(1, 65_336),
      '8192',
      'Parallel calls to LLM APIs. Bun itself reads it at start; its own default is 256.',
    ),
  },
} as const satisfies Record<string, Record<string, Setting>>;

/** All settings as pairs of name and setting, without the headings. */
export const settings: readonly (readonly [string, Setting])[] = Object.values(settingGroups).flatMap((group) =>
  Object.entries<Setting>(group),
);

type Group = (typeof settingGroups)[keyof typeof settingGroups];
type UnionToIntersection<U> = (U extends unknown ? (value: U) => void : never) extends (value: infer I) => void
  ? I
  : never;
type Settings = UnionToIntersection<Group>;
/** The values of all settings, by name. */
export type Values = { [Name in keyof Settings]: Settings[Name] extends Setting<infer T> ? T : never };
