/** Users with their agents, keys and budgets, and the prices of models. */
import type { Database as Sqlite } from 'bun:sqlite';
import { keys, users } from '../../router/database/schema/accounts';
import { agents } from '../../router/database/schema/agents';
import { budgets, prices } from '../../router/database/schema/usage';
import { newId, sha256 } from '../../router/lib/ids';
import { atOnce, inserter } from './inserter';
import type { Sizes } from './sizes';

export const PASSWORD = 'a-password-of-the-big-database';
/** Users by number, from 0 on; the first has a tenth of everything, and a conversation with a hundredth of their messages. */
export const emailOf = (user: number) => `user-${user}@example.org`;
/** Each user has three keys, from 0 on; the first may manage, too. */
export const secretOf = (user: number, key: number) => `sk-as-big-database-${user}-${key}`;

const KEYS_PER_USER = 3;

/** The first has no price. */
export const MODELS = [
  'gpt-5.5',
  'gpt-5.5-mini',
  'claude-opus-5',
  'claude-sonnet-5',
  'qwen/qwen4',
  'kimi-k3',
  'glm-6',
  'local',
];

export interface Person {
  readonly id: string;
  /** In the order of the backends. */
  readonly agentIds: readonly string[];
  readonly keyIds: readonly string[];
}

/** Inserts all users, and the prices. @returns those who have more than an account. */
export async function insertPeople(sqlite: Sqlite, sizes: Sizes, startMs: number): Promise<readonly Person[]> {
  const passwordHash = await Bun.password.hash(PASSWORD, { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 });
  const insertUser = inserter(sqlite, users);
  const insertPrice = inserter(sqlite, prices);
  const insertOf = personInserter(sqlite, sizes.backends, startMs);
  const people: Person[] = [];
  atOnce(sqlite, () => {
    for (const model of MODELS.slice(1))
      insertPrice({ model, prompt: 2.5, completion: 10, cached: 0.25, perCall: null });
    for (let number = 0; number < sizes.users + sizes.idleUsers; number += 1) {
      const row = { id: newId(), email: emailOf(number), name: `User ${number}`, slug: `user-${number}` } as const;
      insertUser({ ...row, role: 'user', passwordHash, createdAtMs: startMs });
      if (number < sizes.users) people.push(insertOf(row.id, number));
    }
  });
  return people;
}

/** Inserts what a user has: agents, keys, and for one in ten budgets, of the user and of a key. */
function personInserter(sqlite: Sqlite, backends: readonly string[], startMs: number) {
  const insert = { agents: inserter(sqlite, agents), keys: inserter(sqlite, keys), budgets: inserter(sqlite, budgets) };
  return (userId: string, number: number): Person => {
    const agentIds = backends.map((backend) => {
      const id = newId();
      insert.agents({ id, userId, backend, name: `${backend} of user ${number}`, ordinal: 1, createdAtMs: startMs });
      return id;
    });
    const keyIds = Array.from({ length: KEYS_PER_USER }, (_, key) => {
      const id = newId();
      const secret = secretOf(number, key);
      insert.keys({
        ...{ id, userId, name: `Key ${key}`, hash: sha256(secret), lastFour: secret.slice(-4), createdAtMs: startMs },
        ...{ lastUsedAtMs: null, expiresAtMs: null, scopes: key === 0 ? ['v1', 'manage'] : ['v1'] },
        ...{ backends: [], agents: [], requestsPerMinute: null, tokensPerMinute: null, concurrentMax: null },
        eventsWhileWaiting: false,
      });
      return id;
    });
    const limits = { unit: 'tokens', period: 'month', softLimit: null, hardLimit: 1e12 } as const;
    if (number % 10 === 0) {
      insert.budgets({ ...limits, subjectId: userId, userId, keyId: null });
      insert.budgets({ ...limits, subjectId: keyIds[0] ?? '', userId, keyId: keyIds[0] ?? '' });
    }
    return { id: userId, agentIds, keyIds };
  };
}
