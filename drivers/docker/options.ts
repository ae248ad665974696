/** The options of the driver (`DRIVER_OPTIONS`), and the options of a backend (its `driver_options`). */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { RunnerSpec } from '../driver';

export const options = Type.Object(
  {
    host: Type.Optional(
      Type.String({
        description: 'The engine: the path of its socket, or a URL. Default: DOCKER_HOST, else the usual socket',
        pattern: '^(/|unix:///|tcp://|https?://).+',
        rule: "a socket's path, or a URL such as 'tcp://127.0.0.1:2375'",
      }),
    ),
    certPath: Type.Optional(
      Type.String({
        description: 'Folder of ca.pem, cert.pem and key.pem for an engine behind TLS. Default: DOCKER_CERT_PATH',
        minLength: 1,
      }),
    ),
    routerHost: Type.Optional(
      Type.String({
        description: "Name or address at which runners reach the router. Default: the gateway of the runner's network",
        minLength: 1,
      }),
    ),
    listenHost: Type.Optional(
      Type.String({ description: 'Where the router listens when routerHost is set. Default: 127.0.0.1', minLength: 1 }),
    ),
    authFile: Type.Optional(
      Type.String({
        description: 'Sign-ins to registries, as docker login writes them. Default: ~/.docker/config.json',
        minLength: 1,
      }),
    ),
  },
  { additionalProperties: false },
);

const bytes = (description: string, minimum: number, byDefault: number) =>
  Type.Integer({ description, minimum, default: byDefault });

export const backendOptions = Type.Object(
  {
    network: Type.Union([Type.Literal('own'), Type.Literal('sealed')], {
      description: 'sealed: the runner reaches the router and no other machine',
      default: 'own',
    }),
    cap_add: Type.Array(Type.String({ pattern: '^[A-Z][A-Z_]*$', rule: 'a capability such as CHOWN' }), {
      description: 'Capabilities given back; all others are dropped',
      default: [],
    }),
    no_new_privileges: Type.Boolean({ description: 'Whether setuid programs stay without effect', default: true }),
    init: Type.Boolean({ description: 'Whether a small init is process 1 and reaps zombies', default: true }),
    read_only: Type.Boolean({ description: 'Whether all but the home and tmpfs is read-only', default: true }),
    tmpfs: Type.Record(Type.String({ pattern: '^/' }), Type.String(), {
      description: 'Mount options by path of what is kept in memory',
      default: { '/tmp': 'mode=1777,size=256m' },
      additionalProperties: false,
    }),
    shm_bytes: bytes('Size of /dev/shm, which browsers need more of', 1_048_576, 67_108_864),
    swap_bytes: bytes('Swap beyond the memory limit', 0, 0),
    log_driver: Type.Union([Type.Literal('json-file'), Type.Literal('local')], {
      description: 'How the engine keeps output: every engine knows the first',
      default: 'json-file',
    }),
    log_bytes: bytes('Size of the output kept', 65_536, 10_485_760),
    runtime: Type.Optional(Type.String({ description: 'An OCI runtime of the engine, such as runsc', minLength: 1 })),
  },
  { additionalProperties: false },
);

export type DriverOptions = Static<typeof options>;
export type BackendOptions = Static<typeof backendOptions>;

/**
 * Limits of a backend that sets none: 2 GiB without swap, two CPUs and 512 processes, which is enough for the agents of
 * this repository.
 */
export const defaultLimits = { memoryBytes: 2_147_483_648, cpus: 2, pids: 512 };

/** Returns the options of a spec, with defaults. They were validated when `backends.json` was read. */
export function backendOptionsOf(spec: Pick<RunnerSpec, 'options'>): BackendOptions {
  return Value.Parse(backendOptions, spec.options);
}
