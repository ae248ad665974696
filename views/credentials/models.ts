/** View models of credentials: the cards of the settings page, and the form in place of an answer. */

/** Maximum number of models in a choice. Longer lists are not helpful, so the name is typed. */
export const choicesMax = 1_000;

/**
 * The tier of the value that applies: the user's for one backend, the user's for all, the administrator's shared value,
 * or none.
 */
export type CredentialSource = 'backend' | 'global' | 'shared' | 'unset';

/** A variable in one scope. A secret has only a mask, never its value. */
export interface CredentialField {
  name: string;
  secret: boolean;
  source: CredentialSource;
  /** The value that is set in this scope, or was typed. */
  value?: string;
  /** The mask of the secret that is set in this scope. */
  masked?: string;
  /** The value, or mask, that applies while this scope has none. */
  inherited?: string;
  /** Names of the agents whose software gets the key itself. */
  holders?: string[];
  /** Choices instead of free text. */
  choices?: string[];
  error?: string;
}

/** `scope` is a backend's name, or '' for all agents. `isSet` says that the scope has values of its own. */
export interface CredentialScope {
  scope: string;
  label: string;
  fields: CredentialField[];
  isSet: boolean;
  /** A refusal that belongs to the scope and not to a field. */
  error?: string;
  trial?: TrialView;
}

/** The result of a connection test: the reason of the failure, or the models of the upstream. */
export interface TrialView {
  error?: string;
  models?: string[];
  /** The typed key is no longer in the page. */
  keyIsGone?: boolean;
}

/** The source of one agent's values. */
export interface EffectiveView {
  agentName: string;
  source: CredentialSource;
  model?: string;
  /** Set if the model has another source than base URL and key. */
  modelSource?: CredentialSource;
  host?: string;
  /** Names of variables without a value, and the reasons why shared values do not apply. */
  missing: string[];
  reason?: string;
  /** Owner of the key that the agent's software holds itself, if it does. */
  heldKey?: 'own' | 'shared';
}

/** The administrator's switch. `canShare` is false while there is nothing to share. */
export interface ShareView {
  isShared: boolean;
  canShare: boolean;
  /** Names of the agents whose runners get the values themselves, or would get them. */
  receivers: string[];
}

/** Variables that belong together: those of the upstream (`llm`), or one other variable. */
export interface CredentialGroup {
  group: string;
  effective: EffectiveView[];
  scopes: CredentialScope[];
  share?: ShareView;
}

/** The form in place of an answer that failed because credentials are missing. */
export interface MissingView {
  action: string;
  agentName: string;
  fields: CredentialField[];
  /** The scope for the values: '' for all agents, or the agent's own. */
  scope: string;
  ownScope: string;
  reason?: string;
  error?: string;
  trial?: TrialView;
  isAdmin: boolean;
  /** The administrator may share the values with everybody, and so with the runners of these agents (`ShareView.receivers`). */
  share?: { receivers: string[] };
}
