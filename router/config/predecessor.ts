/** Reads the settings of the first agent-stack: translates values that it accepted, and names those that mean nothing here. */
import type { Env } from './config';

/** A setting that was translated, or that has no meaning any more, and what to do about it. */
export interface SettingNote {
  readonly variable: string;
  /** A sentence for the administrator. Never contains the value of a secret. */
  readonly note: string;
}

/** Settings that the first agent-stack had and this one has not. */
const WITHOUT_MEANING: Readonly<Record<string, string>> = {
  AGENT_STACK_CALLBACK_URL: 'Runners reach the router at an address that it finds itself. Remove the setting.',
  BACKEND_BIND_HOST: 'Each driver binds its runners to an address that only the router reaches. Remove the setting.',
  BACKEND_STARTUP_POLL: 'The router asks a starting runner at growing intervals. Remove the setting.',
  ROUTER_INTERNAL_URL: 'Runners reach the router at an address that it finds itself. Remove the setting.',
};
const ROOMS = /^ROOM_[A-Z_]+$/;

/** Python's names of log levels, as they are called here. */
const LOG_LEVELS: Readonly<Record<string, string>> = {
  warning: 'warn',
  critical: 'error',
  fatal: 'error',
  notset: 'debug',
};

/** Seconds; the defaults of `settings.ts`. */
const IDLE = { min: 60, max: 21_600 } as const;

/**
 * Returns the values that replace those of `env`, and a note on every setting that needs one. Reads no other variable than
 * the settings it knows.
 */
export function translateSettings(env: Env): { translated: Env; notes: readonly SettingNote[] } {
  const notes: SettingNote[] = [];
  const translated: Record<string, string> = {};
  const translate = (variable: string, value: string, note: string) => {
    translated[variable] = value;
    notes.push({ variable, note });
  };
  const level = LOG_LEVELS[env.LOG_LEVEL?.trim().toLowerCase() ?? ''];
  if (level) translate('LOG_LEVEL', level, `It is read as ${level}. Write LOG_LEVEL=${level}.`);
  // The first agent-stack took 1, true, yes and on, and every other text for false.
  if (/^[ytnf]$/i.test(env.ALLOW_SIGNUP?.trim() ?? '')) {
    translate('ALLOW_SIGNUP', 'false', 'It is read as false, as before. Write ALLOW_SIGNUP=false.');
  }
  translateIdle(env, translate);
  for (const variable of Object.keys(env)) {
    const note = WITHOUT_MEANING[variable] ?? (ROOMS.test(variable) ? 'There are no rooms. Remove the setting.' : '');
    if (note && env[variable]?.trim()) notes.push({ variable, note });
  }
  if (/^(0\.0\.0\.0|::|\[::\])$/.test(env.ROUTER_BIND_HOST?.trim() ?? '')) {
    notes.push({
      variable: 'ROUTER_BIND_HOST',
      note: 'The internal listener, which only runners need, is open to the network. Remove the setting: people and programs use FRONTEND_BIND_HOST and FRONTEND_PORT.',
    });
  }
  return { translated, notes };
}

/** The first agent-stack accepted a default outside of its own limits; 0 meant "never". */
function translateIdle(env: Env, translate: (variable: string, value: string, note: string) => void): void {
  const seconds = wholeNumber(env.DEFAULT_IDLE_SECONDS);
  if (seconds === undefined) return;
  const min = wholeNumber(env.MIN_IDLE_SECONDS) ?? IDLE.min;
  const max = wholeNumber(env.MAX_IDLE_SECONDS) ?? IDLE.max;
  const nearest = seconds <= 0 ? max : Math.min(Math.max(seconds, min), max);
  if (nearest === seconds) return;
  const note = `It is read as ${nearest}, the nearest allowed by MIN_IDLE_SECONDS and MAX_IDLE_SECONDS. Write DEFAULT_IDLE_SECONDS=${nearest}.`;
  translate('DEFAULT_IDLE_SECONDS', String(nearest), note);
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*-?\d+\s*$/.test(text) ? Number(text) : undefined;
}
