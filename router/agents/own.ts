/** What an owner sets for one agent beside its name and model: its instructions, and variables of its environment. */
import type { Backend } from '../backends/backends';
import { ownerOf } from '../database/sealing';
import { AppError } from '../lib/errors';
import { lineProblem } from '../lib/text';
import type { Vault } from '../lib/vault';
import type { OwnStore } from './own-store';
import type { Agent } from './store';

/** Characters. */
const INSTRUCTIONS_LENGTH_MAX = 32_000;
const VALUE_LENGTH_MAX = 4_096;

/** What a start of the agent's runner gets of it. */
export interface OwnValues {
  /** In the place of the rendered file of the seed. */
  readonly instructions: string | undefined;
  /** Variable → value; only those of the backend's `agent_env`. */
  readonly variables: Readonly<Record<string, string>>;
}

export type OwnService = ReturnType<typeof ownService>;

export function ownService({ own, vault }: { own: OwnStore; vault: Vault }) {
  function requireVariable({ agentEnv, displayName }: Backend, name: string): void {
    if (agentEnv.includes(name)) return;
    throw new AppError('invalid_request', { message: `${name} is not a variable that ${displayName} may be given.` });
  }

  return {
    async of({ id }: Agent, { agentEnv, instructionsFile }: Backend): Promise<OwnValues> {
      const stored = agentEnv.length === 0 ? [] : await own.variablesOf(id);
      // What the backend no longer lists stays stored, and is given to no runner.
      const variables = stored
        .filter(({ name }) => agentEnv.includes(name))
        .map(({ name, sealed }) => [name, vault.open(sealed, ownerOf({ kind: 'agent_variable', agentId: id, name }))]);
      return {
        instructions: instructionsFile === undefined ? undefined : await own.instructionsOf(id),
        variables: Object.fromEntries(variables),
      };
    },

    /**
     * Replaces the agent's instructions from the next start of its runner on; an empty text brings those of the seed
     * back. Throws `invalid_fields`, and `invalid_request` for a backend whose runtime reads none.
     */
    async setInstructions({ id }: Agent, { instructionsFile, displayName }: Backend, typed: string): Promise<void> {
      if (instructionsFile === undefined) {
        throw new AppError('invalid_request', { message: `${displayName} reads no instructions.` });
      }
      const text = typed.replace(/\r\n?/g, '\n').trimEnd();
      if (text.length > INSTRUCTIONS_LENGTH_MAX) {
        const problem = `At most ${INSTRUCTIONS_LENGTH_MAX} characters`;
        throw new AppError('invalid_fields', { fields: { instructions: problem } });
      }
      await own.putInstructions(id, text === '' ? undefined : `${text}\n`);
    },

    /** Sets a variable; an empty value removes it. Throws `invalid_fields` and `invalid_request`. */
    async setVariable({ id }: Agent, backend: Backend, name: string, typed: string): Promise<void> {
      requireVariable(backend, name);
      const value = typed.trim();
      const problem = lineProblem(value, VALUE_LENGTH_MAX);
      if (problem) throw new AppError('invalid_fields', { fields: { [name]: problem } });
      if (value === '') await own.deleteVariable(id, name);
      else await own.putVariable(id, name, vault.seal(value, ownerOf({ kind: 'agent_variable', agentId: id, name })));
    },
  };
}
