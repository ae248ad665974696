/** The failures before an answer begins, and what every client gets. */
import type { ErrorScript } from '../../support/upstream';
import type { Fleet } from './fleet';
import type { Call } from './matrix';

export interface Scene {
  readonly status: number;
  /** The message: what happened, and what to do. */
  readonly says: RegExp;
  arrange(fleet: Fleet): Partial<Call>;
  restore?(fleet: Fleet): void;
}

export const SCENES = {
  'a wrong key': { status: 401, says: /API key.*not valid/, arrange: () => ({ key: 'sk-as-of-nobody' }) },
  'an unknown model': { status: 404, says: /Available: demo, direct, /, arrange: () => ({ model: 'gpt-9' }) },
  'credentials that are not set': {
    status: 422,
    says: /LLM_API_KEY.*Settings/,
    arrange: ({ refused }) => ({ key: refused.withoutCredentials }),
  },
  'a key that is for something else': {
    status: 403,
    says: /key/i,
    arrange: ({ refused }) => ({ key: refused.forOthers }),
  },
  'a key at its limit': { status: 429, says: /Try again in \d+ s/, arrange: ({ refused }) => ({ key: refused.spent }) },
  'a budget that is used up': {
    status: 429,
    says: /budget.*raise it/,
    arrange: ({ refused }) => ({ key: refused.withoutBudget }),
  },
  'an agent that does not start': {
    status: 502,
    says: /could not start: it ended with exit code 3/,
    arrange: () => ({ model: 'broken' }),
  },
  'an upstream that refuses the key': {
    status: 400,
    says: /Settings/,
    arrange({ upstream }) {
      upstream.key = 'sk-another-key';
      return {};
    },
    restore({ upstream }) {
      upstream.key = 'sk-upstream-real-key';
    },
  },
  'an upstream that is busy': {
    status: 429,
    says: /Slow down/,
    arrange({ upstream }) {
      upstream.script(...busy(BROKER_TRIES));
      return {};
    },
    // An upstream that has refused all tries is called only once per request until it answers.
    restore({ upstream }) {
      upstream.unscript();
    },
  },
  'an upstream that refuses the request': {
    status: 400,
    says: /max_tokens is too large/,
    arrange({ upstream }) {
      upstream.script({ status: 400, message: 'max_tokens is too large: 9 is the most.' });
      return {};
    },
  },
} as const satisfies Record<string, Scene>;
export const LOST = 'an agent that is lost in the middle';
export type Trouble = keyof typeof SCENES | typeof LOST;

/** Number of calls of the broker to a busy upstream before it reports an error. */
export const BROKER_TRIES = 3;

/** An upstream that is busy for `count` requests, and allows the next one at once. */
export const busy = (count: number): ErrorScript[] =>
  Array.from({ length: count }, () => ({ status: 429, message: 'Slow down.', headers: { 'retry-after': '0' } }));
