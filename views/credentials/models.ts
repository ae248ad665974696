/** View models of credentials: the cards of the settings page, and the form in place of an answer. */

/** Models that a form offers. A longer list is of no help: the name is typed then. */
export const choicesMax = 1_000;

/** Whose value counts: the user's for one backend, the user's for all, the one the administrator shares, or nobody's. */
export type CredentialSource = 'backend' | 'global' | 'shared' | 'unset';

/** A variable in one scope. A secret has only a mask, never its value. */
export interface CredentialField {
  name: string;
  secret: boolean;
  source: CredentialSource;
  /** What is set in this scope, or was typed. */
  value?: string;
  /** The mask of the secret that is set in this scope. */
  masked?: string;
  /** What counts while nothing is set here: a value or a mask. */
  inherited?: string;
  /** Names of the agents whose software is given the key itself. */
  holders?: string[];
  /** On offer instead of free text. */
  choices?: string[];
  error?: string;
}

/** `scope` is a backend's name, or '' for all agents. `isSet` says that the scope has values of its own. */
export interface CredentialScope {
  scope: string;
  label: string;
  fields: CredentialField[];
  isSet: boolean;
  /** A refusal that belongs to the scope rather than to one of its fields. */
  error?: string;
  trial?: TrialView;
}

/** What came of trying a connection: why it failed, or what the upstream serves. */
export interface TrialView {
  error?: string;
  models?: string[];
  /** The key that was typed is not in the page any more. */
  keyIsGone?: boolean;
}

/** Where one agent gets its values from. */
export interface EffectiveView {
  agentName: string;
  source: CredentialSource;
  model?: string;
  /** Where the model does not come from where the rest does. */
  modelSource?: CredentialSource;
  host?: string;
  /** Names of variables without a value, and why a shared one does not count. */
  missing: string[];
  reason?: string;
  /** Whose key the software of the agent holds itself, where it does. */
  heldKey?: 'own' | 'shared';
}

/** The administrator's switch. `canShare` is false while there is nothing to share. */
export interface ShareView {
  isShared: boolean;
  canShare: boolean;
  /** Names of the agents whose runners would be given the values themselves, or are. */
  receivers: string[];
}

/** Variables that belong together: those of the upstream (`llm`), or a single other one. */
export interface CredentialGroup {
  group: string;
  effective: EffectiveView[];
  scopes: CredentialScope[];
  share?: ShareView;
}

/** The form in place of an answer that failed for want of credentials. */
export interface MissingView {
  action: string;
  agentName: string;
  fields: CredentialField[];
  /** Where they are kept: '' for all agents, or the agent's own scope. */
  scope: string;
  ownScope: string;
  reason?: string;
  error?: string;
  isAdmin: boolean;
}
