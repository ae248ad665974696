/** Calls to upstreams, and their sums. */
import type { Database as Sqlite } from 'bun:sqlite';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usage } from '../../router/database/schema/usage';
import { atOnce, inserter } from './inserter';
import { MODELS, type Person } from './people';
import { below, DAY_MS, DAYS, type Sizes, someone } from './sizes';

const MIGRATIONS = join(import.meta.dir, '../../router/database/migrations');
const SUMS_MIGRATIONS = ['0008_usage_sums.sql', '0021_usage_without_key.sql', '0030_newest-sums.sql'];

/**
 * The sums are made as the migrations make them: a sum for each day of each series, one by one, takes half an hour.
 * @param callers.rooms the ids of the conversations of each person, in the order of `people`.
 */
export function insertCalls(
  sqlite: Sqlite,
  callers: { people: readonly Person[]; rooms: readonly (readonly string[])[] },
  sizes: Sizes,
  startMs: number,
): void {
  const { people, rooms } = callers;
  const insert = inserter(sqlite, usage);
  const perDay = Math.ceil(sizes.usage / DAYS);
  let left = sizes.usage;
  for (let day = 0; day < DAYS; day += 1) {
    const calls = Math.min(perDay, left);
    left -= calls;
    atOnce(sqlite, () => {
      for (let call = 0; call < calls; call += 1) {
        const number = someone(people.length);
        const person = people[number];
        if (!person) continue;
        const agent = below(person.agentIds.length);
        const own = rooms[number] ?? [];
        const isUncertain = call % 100 === 0;
        const model = MODELS[(number + below(2)) % MODELS.length] ?? '';
        const [promptTokens, completionTokens] = [below(8_000), below(1_000)];
        insert({
          ...{
            atMs: Math.floor(startMs + (day + call / perDay) * DAY_MS),
            userId: person.id,
            backend: sizes.backends[agent] ?? '',
          },
          ...{ agentId: person.agentIds[agent] ?? '', conversationId: own[below(own.length)] ?? null },
          ...{ keyId: isUncertain ? null : (person.keyIds[below(4)] ?? null), path: 'chat/completions', model },
          ...{ keyIds: isUncertain ? person.keyIds.slice(0, 2) : null, source: 'global' },
          ...{
            promptTokens,
            completionTokens,
            cachedTokens: below(promptTokens + 1),
            reasoningTokens: 0,
            estimated: false,
          },
          ...{ cost: model === MODELS[0] ? null : (promptTokens * 2.5 + completionTokens * 10) / 1e6, status: 200 },
          ...{ ending: 'done', firstByteMs: below(900), totalMs: 900 + below(9_000) },
        });
      }
    });
  }
  const statements = SUMS_MIGRATIONS.flatMap((name) =>
    readFileSync(join(MIGRATIONS, name), 'utf8').split('--> statement-breakpoint'),
  );
  const all = ['DROP TABLE usage_series', 'DROP TABLE usage_sums', ...statements];
  atOnce(sqlite, () => all.forEach((one) => void sqlite.run(one)));
}
