/** Checks what a plugin and its driver are made of, for the router and for the conformance suite. */
import { KindGuard, type TObject } from '@sinclair/typebox';
import type { Driver, DriverPlugin } from './driver';

/** Why a `default export` is not a plugin, a sentence for each fault. Empty: it is a `DriverPlugin`. */
export function pluginProblems(value: unknown): string[] {
  if (!isRecord(value)) return ['default export: expected a plugin, as `defineDriver` returns it'];
  const isName = typeof value.name === 'string' && /^[a-z][a-z0-9-]*$/.test(value.name);
  const wrong: [member: string, isRight: boolean, expected: string][] = [
    ['name', isName, "lower-case letters, digits and '-'"],
    ['summary', typeof value.summary === 'string', 'string'],
    ['platform', value.platform === undefined || typeof value.platform === 'string', 'string'],
    ['isolates', typeof value.isolates === 'boolean', 'boolean'],
    ['options', isClosed(value.options), 'a TypeBox object with additionalProperties: false'],
    ['backendOptions', isClosed(value.backendOptions), 'a TypeBox object with additionalProperties: false'],
    ['create', typeof value.create === 'function', 'function'],
  ];
  return wrong.flatMap(([member, isRight, expected]) =>
    isRight ? [] : [`default export/${member}: expected ${expected}`],
  );
}

export function isPlugin(value: unknown): value is DriverPlugin {
  return pluginProblems(value).length === 0;
}

const REQUIRED = ['ping', 'routerAddress', 'start', 'inspect', 'stop', 'list'] as const satisfies (keyof Driver)[];
const OPTIONAL = [
  'version',
  'pause',
  'resume',
  'prepare',
  'logs',
  'watch',
  'stats',
] as const satisfies (keyof Driver)[];

/** What `create` returned that is not a driver, a sentence for each fault. */
export function driverProblems(value: unknown): string[] {
  if (!isRecord(value)) return ['create returned no driver'];
  const isFunction = (member: string) => typeof value[member] === 'function';
  const problems = [
    ...(typeof value.name === 'string' ? [] : ['name: expected string']),
    ...REQUIRED.filter((member) => !isFunction(member)).map((member) => `${member}: expected function`),
    ...OPTIONAL.filter((member) => value[member] !== undefined && !isFunction(member)).map(
      (member) => `${member}: expected function, or nothing`,
    ),
    // A runner that nobody can resume would be lost for its user.
    ...(isFunction('pause') && value.resume === undefined ? ['resume: expected function, because there is pause'] : []),
  ];
  return problems.map((problem) => `the driver that create returned/${problem}`);
}

function isClosed(schema: unknown): schema is TObject {
  return KindGuard.IsObject(schema) && schema.additionalProperties === false;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
