/** The kinds of settings: how the text of a setting is validated and parsed. */
import { isIP } from 'node:net';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import proxyAddr from 'proxy-addr';
import type { Json } from '../../drivers/driver';
import { parseJson } from '../lib/json';
import { settingPath } from './root';

/** A kind of value. `rule` completes the sentence "must be …"; `parse` returns undefined when the text breaks the rule. */
export interface Kind<T> {
  readonly rule: string;
  parse(text: string): T | undefined;
  /** The documentation shows a placeholder for a secret, never a value that someone might use unchanged. */
  readonly isSecret?: true;
}

export function number(min: number, max: number, unit = ''): Kind<number> {
  return {
    rule: `a number${unit} from ${min} to ${max}`,
    parse: (text) =>
      /^\d+(\.\d+)?$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined,
  };
}

export function integer(min: number, max: number, unit = ''): Kind<number> {
  const { parse } = number(min, max);
  return {
    rule: `a whole number${unit} from ${min} to ${max}`,
    parse: (text) => (/^\d+$/.test(text) ? parse(text) : undefined),
  };
}

export function matching(rule: string, pattern: RegExp): Kind<string> {
  return { rule, parse: (text) => (pattern.test(text) ? text : undefined) };
}

const placeholder = /change.?me|replace.?(me|this)|placeholder|your[-_ ](secret|key|password)|^<.*>$|example/i;

export function secret(charactersMin: number): Kind<string> {
  return {
    rule: `at least ${charactersMin} characters long and not a placeholder`,
    isSecret: true,
    parse: (text) => (text.length >= charactersMin && !placeholder.test(text) ? text : undefined),
  };
}

export const flag: Kind<boolean> = {
  rule: '1, true, yes or on; or 0, false, no or off',
  parse: (text) => {
    if (/^(1|true|yes|on)$/i.test(text)) return true;
    return /^(0|false|no|off)$/i.test(text) ? false : undefined;
  },
};

export const path: Kind<string> = { rule: 'a path', parse: settingPath };

const hostName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export const bindHost: Kind<string> = {
  rule: 'an IP address or a host name of this machine',
  parse: (text) => (isIP(text) || hostName.test(text) ? text : undefined),
};

/**
 * Elysia 1.4 searches the path of a URL from its eleventh character on. With a host of three characters or less it takes
 * part of the host for the path.
 */
const isRoutable = (host: string): boolean => host.length > 3 && hostName.test(host);

export const hosts: Kind<readonly string[]> = {
  rule: 'host names of more than 3 characters, without scheme and port, separated by commas',
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim().toLowerCase());
    return names.every(isRoutable) ? names : undefined;
  },
};

export const origin: Kind<string> = {
  rule: 'an http or https URL without a path, whose host has more than 3 characters',
  parse: (text) => {
    const url = URL.parse(text);
    const isOrigin = url !== null && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href;
    return isOrigin && (isRoutable(url.hostname) || url.hostname.startsWith('[')) ? url.origin : undefined;
  },
};

export const url: Kind<string> = {
  rule: 'an http or https URL',
  parse: (text) => (/^https?:$/.test(URL.parse(text)?.protocol ?? '') ? text : undefined),
};

export const origins: Kind<readonly string[] | '*'> = {
  rule: '*, or http and https origins such as https://chat.example.org, separated by commas',
  parse: (text) => {
    if (text === '*') return '*';
    const parts = text.split(',').map((part) => part.trim());
    const isOrigin = (part: string) => /^https?:\/\//.test(part) && URL.parse(part)?.origin === part;
    return parts.every(isOrigin) ? parts : undefined;
  },
};

/** A scheme may be left out, as curl has it. SOCKS is one that people have set for other programs: no reason not to start. */
export const proxyUrl: Kind<string> = {
  rule: 'the URL of a proxy, such as http://proxy.example.org:3128',
  parse: (text) => {
    const url = URL.parse(text.includes('://') ? text : `http://${text}`);
    return url && /^(https?|socks[45]?[ah]?):$/.test(url.protocol) && url.hostname !== '' ? url.href : undefined;
  },
};

export const list: Kind<readonly string[]> = {
  rule: 'a list, separated by commas',
  parse: (text) => text.split(/[\s,]+/).filter((entry) => entry !== ''),
};

export const proxies: Kind<readonly string[]> = {
  rule: 'IP addresses and ranges such as 10.0.0.0/8, or loopback, linklocal and uniquelocal, separated by commas',
  parse: (text) => {
    const entries = text.split(',').map((entry) => entry.trim());
    try {
      proxyAddr.compile(entries);
      return entries;
    } catch {
      return undefined;
    }
  },
};

export const key32: Kind<Uint8Array> = {
  rule: '32 bytes, as 64 hexadecimal digits or as base64',
  isSecret: true,
  parse: (text) => {
    if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
    return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Uint8Array.from(Buffer.from(text, 'base64')) : undefined;
  },
};

const optionsByDriver = Type.Record(Type.String(), Type.Record(Type.String(), Type.Unsafe<Json>(Type.Unknown())));

export const driverOptions: Kind<Record<string, Record<string, Json>>> = {
  rule: 'a JSON object of objects, by driver name',
  parse: (text) => {
    try {
      const value: unknown = parseJson(text);
      return Value.Check(optionsByDriver, value) ? value : undefined;
    } catch {
      return undefined;
    }
  },
};

const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export const logLevel: Kind<(typeof logLevels)[number]> = {
  rule: logLevels.join(', '),
  parse: (text) => logLevels.find((level) => level === text.toLowerCase()),
};
