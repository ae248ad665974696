/** Turns what is set for one agent into what its page shows. */
import type { AgentSettingsView, KindView } from '../../views/agents/models';
import type { FormState } from '../../views/models';
import type { Who } from '../accounts/identify';
import type { AgentsService } from '../agents/agents';
import type { IdleService } from '../agents/idle';
import type { OwnService } from '../agents/own';
import { seedInstructions } from '../agents/seed-instructions';
import type { Agent } from '../agents/store';
import type { Backend, BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { CredentialsService } from '../credentials/credentials';
import { modelOf } from '../credentials/present-model';
import { isSecret, mask } from '../credentials/values';

export interface AgentViewDeps {
  readonly agents: AgentsService;
  readonly backends: BackendRegistry;
  readonly config: Pick<Config, 'homesRoot' | 'idle' | 'seedsRoot'>;
  readonly credentials: CredentialsService;
  readonly idle: IdleService;
  readonly own: OwnService;
}

export async function agentSettings(
  deps: AgentViewDeps,
  { user }: Who,
  { agent, backend, refused }: { agent: Agent; backend: Backend; refused: Readonly<Record<string, FormState>> },
): Promise<AgentSettingsView> {
  const { config, idle, own } = deps;
  const { instructions, variables } = await own.of(agent, backend);
  const seedText = await seedInstructions(config.seedsRoot, backend, user);
  const model = await modelOf(deps, agent, backend);
  const { instructionsFile: file } = backend;
  return {
    name: agent.name,
    kind: backend.displayName,
    ...(model && { model: { own: agent.model, ...(model.inherited !== undefined && { inherited: model.inherited }) } }),
    idle: {
      own: agent.idleSeconds,
      inherited: await idle.secondsOf(agent.userId, backend.name),
      max: config.idle.maxSeconds,
    },
    limits: { ...backend.limits, answerMs: backend.timeouts.totalMs },
    ...(file !== undefined && {
      instructions: { file, text: instructions ?? seedText ?? '', isOwn: instructions !== undefined },
    }),
    variables: backend.agentEnv.map((name) => {
      const value = variables[name];
      return { name, isSecret: isSecret(name), ...(value !== undefined && { shown: mask(name, value, true) }) };
    }),
    refused,
  };
}

/** The kinds of which the user may have agents. */
export async function kindsOf({ agents, backends }: Pick<AgentViewDeps, 'agents' | 'backends'>, { user }: Who) {
  const own = await agents.listAll(user.id);
  return backends
    .all()
    .filter(({ name, disabled }) => !disabled && agents.allows(user.id, name))
    .map(
      ({ name, displayName }): KindView => ({
        backend: name,
        name: displayName,
        left: Math.max(0, agents.maxPerBackend(user.id) - own.filter(({ backend }) => backend === name).length),
      }),
    );
}
