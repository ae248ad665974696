/** Checks what a plugin and its driver are made of, for the router and for the conformance suite. */
import { KindGuard, type TObject } from '@sinclair/typebox';
import type { Driver, DriverPlugin } from './driver';

/** One member, whether it is right, and what is expected of it. */
type Finding = readonly [member: string, isRight: boolean, expected: string];

/** Why a `default export` is not a plugin, a sentence for each fault. Empty: it is a `DriverPlugin`. */
export function pluginProblems(value: unknown): string[] {
  if (!isRecord(value)) return ['default export: expected a plugin, as `defineDriver` returns it'];
  const isName = typeof value.name === 'string' && /^[a-z][a-z0-9-]*$/.test(value.name);
  return problemsIn('default export', [
    ['name', isName, "lower-case letters, digits and '-'"],
    ['summary', typeof value.summary === 'string', 'string'],
    ['platform', value.platform === undefined || typeof value.platform === 'string', 'string'],
    ['isolates', typeof value.isolates === 'boolean', 'boolean'],
    ['options', isClosed(value.options), 'a TypeBox object with additionalProperties: false'],
    ['backendOptions', isClosed(value.backendOptions), 'a TypeBox object with additionalProperties: false'],
    ['create', typeof value.create === 'function', 'function'],
  ]);
}

export function isPlugin(value: unknown): value is DriverPlugin {
  return pluginProblems(value).length === 0;
}

const REQUIRED = ['ping', 'routerAddress', 'start', 'inspect', 'stop', 'list'] as const satisfies (keyof Driver)[];
const OPTIONAL = ['version', 'pause', 'resume', 'prepare', 'logs', 'stats'] as const satisfies (keyof Driver)[];

/** The methods that return a promise. */
export const METHODS = [...REQUIRED, ...OPTIONAL];

/** What `create` returned that is not a driver, a sentence for each fault. */
export function driverProblems(value: unknown): string[] {
  if (!isRecord(value)) return ['create returned no driver'];
  const isFunction = (member: string | symbol) => typeof value[member] === 'function';
  const required = (member: string): Finding => [member, isFunction(member), 'function'];
  const optional = (member: string, key: string | symbol = member): Finding => [
    member,
    value[key] === undefined || isFunction(key),
    'function, or nothing',
  ];
  return problemsIn('the driver that create returned', [
    ['name', typeof value.name === 'string', 'string'],
    ['platformUrls', value.platformUrls === undefined || areUrls(value.platformUrls), 'list of URLs, or nothing'],
    ...REQUIRED.map((member) => required(member)),
    ...OPTIONAL.map((member) => optional(member)),
    optional('watch'),
    optional('[Symbol.asyncDispose]', Symbol.asyncDispose),
    // A runner that nobody can resume would be lost for its user.
    ['resume', !isFunction('pause') || value.resume !== undefined, 'function, because there is pause'],
  ]);
}

function problemsIn(place: string, findings: readonly Finding[]): string[] {
  return findings.flatMap(([member, isRight, expected]) =>
    isRight ? [] : [`${place}/${member}: expected ${expected}`],
  );
}

function areUrls(value: unknown): boolean {
  return Array.isArray(value) && value.every((url) => typeof url === 'string' && URL.canParse(url));
}

function isClosed(schema: unknown): schema is TObject {
  return KindGuard.IsObject(schema) && schema.additionalProperties === false;
}

function isRecord(value: unknown): value is Readonly<Record<string | symbol, unknown>> {
  return typeof value === 'object' && value !== null;
}
