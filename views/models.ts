/**
 * View models: everything a page or part shows, already looked up. Routes build them; parts never look anything up.
 * Times are milliseconds since the epoch; percentages are 0 to 100.
 */

export type RunnerState = 'stopped' | 'starting' | 'running' | 'stopping' | 'failed' | 'unknown';

/** The state of one agent's runner. `message` is a sentence for people: what it waits for, or why it failed; `hint` more. */
export interface RunnerView {
  agentId: string;
  state: RunnerState;
  percent?: number;
  message?: string;
  hint?: string;
}

export interface ConversationLink {
  id: string;
  title: string;
  current: boolean;
  streaming: boolean;
}

/** One agent in the sidebar with its conversations, newest first. */
export interface AgentGroup {
  agentId: string;
  backend: string;
  name: string;
  description?: string;
  /** Messages to begin with. */
  suggestions: readonly string[];
  disabled: boolean;
  current: boolean;
  runner: RunnerView;
  conversations: ConversationLink[];
}

/** What surrounds the content of every signed-in page. */
export interface Shell {
  user: { name: string; email: string; admin: boolean };
  groups: AgentGroup[];
}

/** A failure as people see it: what happened, what helps, and where to go. Never a stack trace. */
export interface ErrorView {
  message: string;
  hint?: string;
  action?: { href: string; label: string };
}

export interface MessageView {
  id: string;
  position: number;
  role: 'user' | 'assistant';
  /** Markdown for an answer, plain text for a user's message. */
  text: string;
  status: 'streaming' | 'done' | 'stopped' | 'failed';
  createdAtMs: number;
  agentName: string;
  /** While the runner starts: a progress bar in the answer's place. No percent means unknown. */
  progress?: { percent?: number; message: string };
  error?: ErrorView;
  interrupted: boolean;
  retryable: boolean;
}

/** `liveUrl` is the resumable stream of this page; `streamingId` the message that is being answered right now. */
export interface ConversationView {
  id: string;
  title: string;
  agentId: string;
  agentName: string;
  messages: MessageView[];
  earlierHref?: string;
  streamingId?: string;
  liveUrl: string;
}

export interface ComposerView {
  text: string;
  error?: string;
}

/** One credential value. A secret carries only `masked`, never its value; `source` says whose value is in effect. */
export interface CredentialField {
  name: string;
  secret: boolean;
  masked?: string;
  value?: string;
  source: 'backend' | 'global' | 'unset';
  error?: string;
}

/** `scope` is a backend's id, or '' for all agents. `isSet` says that the scope has values of its own. */
export interface CredentialScope {
  scope: string;
  label: string;
  fields: CredentialField[];
  isSet: boolean;
}

export interface KeyView {
  id: string;
  name: string;
  lastFour: string;
  createdAtMs: number;
  lastUsedAtMs?: number;
}

/** How long a backend's runner may be idle before it is reaped; 0 seconds means never. */
export interface IdleView {
  backend: string;
  name: string;
  seconds: number;
  /** The most that may be chosen. */
  maxSeconds: number;
}

export interface FormState {
  values: Record<string, string>;
  errors: Record<string, string>;
  message?: string;
}

export interface Flash {
  kind: 'good' | 'bad';
  message: string;
}
