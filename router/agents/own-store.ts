/** Stores what owners have set for one agent: its instructions, and its variables (sealed). */
import { and, eq } from 'drizzle-orm';
import type { Db } from '../database/database';
import { agentInstructions, agentVariables } from '../database/schema/agents';

export type OwnStore = ReturnType<typeof ownStore>;

export function ownStore(db: Db) {
  return {
    async instructionsOf(agentId: string): Promise<string | undefined> {
      return db.select().from(agentInstructions).where(eq(agentInstructions.agentId, agentId)).get()?.text;
    },
    /** Without `text`, removes the stored instructions. */
    async putInstructions(agentId: string, text: string | undefined): Promise<void> {
      if (text === undefined) db.delete(agentInstructions).where(eq(agentInstructions.agentId, agentId)).run();
      else {
        db.insert(agentInstructions)
          .values({ agentId, text })
          .onConflictDoUpdate({ target: agentInstructions.agentId, set: { text } })
          .run();
      }
    },
    async variablesOf(agentId: string): Promise<readonly { name: string; sealed: string }[]> {
      const { name, sealed } = agentVariables;
      return db.select({ name, sealed }).from(agentVariables).where(eq(agentVariables.agentId, agentId)).all();
    },
    async putVariable(agentId: string, name: string, sealed: string): Promise<void> {
      db.insert(agentVariables)
        .values({ agentId, name, sealed })
        .onConflictDoUpdate({ target: [agentVariables.agentId, agentVariables.name], set: { sealed } })
        .run();
    },
    async deleteVariable(agentId: string, name: string): Promise<void> {
      db.delete(agentVariables)
        .where(and(eq(agentVariables.agentId, agentId), eq(agentVariables.name, name)))
        .run();
    },
  };
}
