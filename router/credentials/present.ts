/** Builds the view models of credentials: for the settings page, and for an answer that failed because they are missing. */
import {
  type CredentialField,
  type CredentialGroup,
  type CredentialScope,
  choicesMax,
  type EffectiveView,
  type MissingView,
  type ShareView,
  type TrialView,
} from '../../views/credentials/models';
import type { Who } from '../accounts/identify';
import type { Agent } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import { isHeldByRunner, UPSTREAM_VARIABLES } from '../backends/traits';
import { AppError } from '../lib/errors';
import { refusalOf } from '../web/answers/refused-form';
import { type Reader, textOf } from '../web/reader';
import type { CredentialsService, ShownValue } from './credentials';
import type { Sharing } from './sharing';

/** Name of the group of upstream variables. Every other variable is a group of its own, named like the variable. */
const UPSTREAM_GROUP = 'llm';
/** The variables without which sharing is not possible: base URL and key. A model alone is not enough. */
const PROFILE: readonly string[] = UPSTREAM_VARIABLES.filter((name) => name !== 'LLM_MODEL');

const isUpstream = (name: string) => UPSTREAM_VARIABLES.some((one) => one === name);
/** Filters out very long model names, because an upstream may return names of any length. */
const isShort = (model: string) => model.length <= 200;
const isOfUser = ({ source }: ShownValue) => source === 'backend' || source === 'global';

interface CredentialsViewDeps {
  readonly backends: BackendRegistry;
  readonly credentials: CredentialsService;
}

/** A form of one scope that was not saved: the typed values, and the errors or the result of a test. */
export interface Typed {
  readonly scope: string;
  readonly values: Readonly<Record<string, string>>;
  /** Variable → problem. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly error?: string;
  readonly trial?: TrialView;
}

/** A form that was refused: the values to show again, and the status of the page. */
export interface Refused {
  readonly typed: Typed;
  readonly status: number;
}

/** Returns the refused form to show again. Throws errors that are no refusals. */
export function refusedScope(error: unknown, scope: string, values: Readonly<Record<string, string>>): Refused {
  const { fields, message, status } = refusalOf(error);
  return { typed: { scope, values, ...(fields ? { fields } : { error: message }) }, status };
}

/** Returns the variables of a form that the condition accepts. */
export function pick(
  values: Readonly<Record<string, string>>,
  isWanted: (name: string, value: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => isWanted(name, value)));
}

/** Returns the variables of a group. Throws `not_found`. */
export function namesOfGroup(deps: CredentialsViewDeps, group: string): readonly string[] {
  const found = groups(deps).get(group);
  if (!found) throw new AppError('not_found', { message: `There is no group of variables "${group}".` });
  return found;
}

/** The group of a variable. */
export function groupOf(name: string): string {
  return isUpstream(name) ? UPSTREAM_GROUP : name;
}

function groups(deps: CredentialsViewDeps): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const name of deps.credentials.variables()) {
    const group = groupOf(name);
    found.set(group, [...(found.get(group) ?? []), name]);
  }
  return found;
}

/**
 * Display names of the backends whose runners get one of these variables in their environment; with `scope`, only that
 * backend.
 */
export function holdersOf(deps: CredentialsViewDeps, names: readonly string[], scope = ''): string[] {
  return deps.backends
    .all()
    .filter((backend) => scope === '' || backend.name === scope)
    .filter((backend) => names.some((name) => isHeldByRunner(backend, name)))
    .map(({ displayName }) => displayName);
}

/** One card for each group of variables. */
export async function credentialGroups(deps: CredentialsViewDeps, who: Who, typed?: Typed): Promise<CredentialGroup[]> {
  const shown = await deps.credentials.shown(who.user.id);
  const sharing = who.user.role === 'admin' ? await deps.credentials.sharing() : undefined;
  return [...groups(deps)].map(([group, names]) => {
    const scopes = [...shown]
      .map(([scope, values]) => ({ scope, values: values.filter(({ name }) => names.includes(name)) }))
      .filter(({ values }) => values.length > 0);
    const share = sharing && { ...shareView(names, sharing), receivers: holdersOf(deps, names) };
    return {
      group,
      effective: scopes
        .filter(({ scope }) => scope !== '')
        .map((one) => ({ ...effectiveView(labelOf(deps, who, one.scope), one.values), ...heldKey(deps, one) })),
      scopes: scopes.map(({ scope, values }) => {
        const isTyped =
          typed?.scope === scope && names.some((name) => name in typed.values || (typed.trial && isUpstream(name)));
        return scopeView(deps, { reader: who, scope, values }, isTyped ? typed : undefined);
      }),
      ...(share && { share }),
    };
  });
}

function labelOf(deps: CredentialsViewDeps, reader: Reader, scope: string): string {
  return scope === '' ? textOf(reader).settings.allAgents : (deps.backends.find(scope)?.displayName ?? scope);
}

function scopeView(
  deps: CredentialsViewDeps,
  { reader, scope, values }: { reader: Reader; scope: string; values: readonly ShownValue[] },
  typed?: Typed,
): CredentialScope {
  return {
    scope,
    label: labelOf(deps, reader, scope),
    isSet: values.some(({ isOwn }) => isOwn),
    fields: values.map((value) => ({ ...fieldView(value, value.isOwn, typed), ...keyHolders(deps, scope, value) })),
    ...(typed?.error !== undefined && { error: typed.error }),
    ...(typed?.trial && { trial: typed.trial }),
  };
}

function fieldView(value: ShownValue, isOwn: boolean, typed?: Typed): CredentialField {
  const { name, isSecret: secret, source, shown } = value;
  // A typed secret is never sent back to the browser.
  const text = secret ? undefined : (typed?.values[name] ?? (isOwn ? shown : undefined));
  const models = name === 'LLM_MODEL' ? typed?.trial?.models : undefined;
  const error = typed?.fields?.[name];
  return {
    name,
    secret,
    source,
    ...(text !== undefined && { value: text }),
    ...(secret && isOwn && shown !== undefined && { masked: shown }),
    ...(!isOwn && shown !== undefined && { inherited: shown }),
    ...(models && models.length > 0 && models.length <= choicesMax && { choices: models.filter(isShort) }),
    ...(error !== undefined && { error }),
  };
}

/** The agents whose runners do not get the upstream's key. For other variables it is known that runners hold them. */
function keyHolders(deps: CredentialsViewDeps, scope: string, { name }: ShownValue): Pick<CredentialField, 'holders'> {
  const holders = name === 'LLM_API_KEY' ? holdersOf(deps, [name], scope) : [];
  return holders.length > 0 ? { holders } : {};
}

function heldKey(
  deps: CredentialsViewDeps,
  { scope, values }: { scope: string; values: readonly ShownValue[] },
): Pick<EffectiveView, 'heldKey'> {
  const key = values.find(({ name, source }) => name === 'LLM_API_KEY' && source !== 'unset');
  if (!key || holdersOf(deps, [key.name], scope).length === 0) return {};
  return { heldKey: key.source === 'shared' ? 'shared' : 'own' };
}

/** Returns the source of an agent's values. For an upstream it is the source of the key. */
function effectiveView(agentName: string, values: readonly ShownValue[]): EffectiveView {
  const of = (name: string) => values.find((value) => value.name === name);
  const missing = values.filter(({ source }) => source === 'unset');
  const reason = missing.find((value) => value.reason !== undefined)?.reason;
  const main = of('LLM_API_KEY') ?? of('LLM_BASE_URL') ?? values[0];
  const source = missing.length > 0 ? 'unset' : (main?.source ?? 'unset');
  const model = of('LLM_MODEL');
  const host = URL.parse(of('LLM_BASE_URL')?.shown ?? '')?.host;
  return {
    agentName,
    source,
    missing: missing.map(({ name }) => name),
    ...(model?.shown !== undefined && { model: model.shown }),
    ...(model && model.source !== source && { modelSource: model.source }),
    ...(host !== undefined && { host }),
    ...(reason !== undefined && { reason }),
  };
}

function shareView(names: readonly string[], { marked, present }: Sharing): Omit<ShareView, 'receivers'> {
  const profile = names.filter((name) => PROFILE.includes(name));
  const needed = profile.length > 0 ? profile : names;
  return { isShared: needed.every((name) => marked.has(name)), canShare: needed.every((name) => present.has(name)) };
}

/** Returns the form that replaces a failed answer, with the variables that its agent lacks now; undefined if it lacks none. */
export async function missingView(
  deps: CredentialsViewDeps,
  { user }: Who,
  about: {
    agent: Agent;
    message: { readonly id: string; readonly status: string } | undefined;
    typed?: Typed | undefined;
  },
): Promise<MissingView | undefined> {
  const { agent, message, typed } = about;
  if (message?.status !== 'failed') return undefined;
  const values = (await deps.credentials.shown(user.id)).get(agent.backend) ?? [];
  const missing = values.filter(({ source }) => source === 'unset');
  if (missing.length === 0) return undefined;
  // Base URL and key are entered together, and with them a model of that upstream.
  const asksUpstream = missing.some(({ name }) => PROFILE.includes(name));
  const asked = values.filter(({ name, source }) => source === 'unset' || (asksUpstream && isUpstream(name)));
  const reason = missing.find((value) => value.reason !== undefined)?.reason;
  const sharing = asksUpstream && user.role === 'admin' ? await deps.credentials.sharing() : undefined;
  const canShare = sharing && !shareView(UPSTREAM_VARIABLES, sharing).isShared;
  return {
    action: `/messages/${message.id}/credentials`,
    agentName: agent.name,
    fields: asked.map((value) => ({
      ...fieldView(value, isOfUser(value), typed),
      ...keyHolders(deps, agent.backend, value),
    })),
    scope: typed?.scope ?? (values.some(({ isOwn }) => isOwn) ? agent.backend : ''),
    ownScope: agent.backend,
    isAdmin: user.role === 'admin',
    ...(canShare && { share: { receivers: holdersOf(deps, UPSTREAM_VARIABLES) } }),
    ...(reason !== undefined && { reason }),
    ...(typed?.error !== undefined && { error: typed.error }),
    ...(typed?.trial && { trial: typed.trial }),
  };
}
