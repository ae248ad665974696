/** Finds and replaces all texts in the database that are sealed under the encryption key, for a change of that key. */
import { and, eq } from 'drizzle-orm';
import type { Db } from './database';
import { agentVariables } from './schema/agents';
import { credentials } from './schema/credentials';
import { installation } from './schema/installation';
import { runners } from './schema/runners';
import { transaction } from './transaction';

/** The place of a sealed text. It determines the owner for whom the text is sealed. */
export type SealedPlace =
  | { readonly kind: 'credential'; readonly userId: string; readonly backend: string; readonly name: string }
  | { readonly kind: 'agent_variable'; readonly agentId: string; readonly name: string }
  | { readonly kind: 'access_key'; readonly runnerId: string }
  | { readonly kind: 'check' };

export type SealedStore = ReturnType<typeof sealedStore>;

export function sealedStore(db: Db) {
  return {
    /** Replaces every sealed text by the result of `reseal`, in one transaction: none when `reseal` throws. */
    async resealAll(reseal: (sealed: string, place: SealedPlace) => string): Promise<void> {
      transaction(db, (tx) => {
        for (const { userId, backend, name, sealed } of tx.select().from(credentials).all()) {
          const same = and(
            eq(credentials.userId, userId),
            eq(credentials.backend, backend),
            eq(credentials.name, name),
          );
          const place = { kind: 'credential', userId, backend, name } as const;
          tx.update(credentials)
            .set({ sealed: reseal(sealed, place) })
            .where(same)
            .run();
        }
        for (const { agentId, name, sealed } of tx.select().from(agentVariables).all()) {
          tx.update(agentVariables)
            .set({ sealed: reseal(sealed, { kind: 'agent_variable', agentId, name }) })
            .where(and(eq(agentVariables.agentId, agentId), eq(agentVariables.name, name)))
            .run();
        }
        for (const { id, accessKeySealed } of tx.select().from(runners).all()) {
          const sealed = reseal(accessKeySealed, { kind: 'access_key', runnerId: id });
          tx.update(runners).set({ accessKeySealed: sealed }).where(eq(runners.id, id)).run();
        }
        const isCheck = eq(installation.name, 'key_check');
        const check = tx.select().from(installation).where(isCheck).get();
        if (check)
          tx.update(installation)
            .set({ value: reseal(check.value, { kind: 'check' }) })
            .where(isCheck)
            .run();
      });
    },
  };
}
