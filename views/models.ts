/**
 * View models: everything a page or part shows, already looked up. Routes build them; parts never look anything up.
 * Times are milliseconds since the epoch; percentages are 0 to 100.
 */
import type { FactsView, StepView } from './chat/models';
import type { MissingView } from './credentials/models';
import type { Growing, Html } from './markdown';

export type RunnerState = 'stopped' | 'starting' | 'running' | 'stopping' | 'failed' | 'unknown' | 'paused';

/** The state of one agent's runner. `message` is a sentence for people: what it waits for, or why it failed; `hint` more. */
export interface RunnerView {
  agentId: string;
  state: RunnerState;
  percent?: number;
  /** Its place among the starts that wait for their turn, from 1. */
  place?: number;
  message?: string;
  hint?: string;
  /** Started with other values than the user has now; stops when it is idle. */
  isStale?: boolean;
  unavailable?: UnavailableView;
  image?: ImageView;
}

/**
 * Why an agent cannot start: its platform does not answer. `platform` is what people call it, where it has a name.
 * `message` and `hint` are for whoever can do something about it, and absent for everybody else.
 */
export interface UnavailableView {
  platform?: string;
  message?: string;
  hint?: string;
}

/** The image that an agent starts from, while it is not there. `message` and `hint` as above. */
export interface ImageView {
  state: 'pulling' | 'failed';
  message?: string;
  hint?: string;
}

export interface ConversationLink {
  id: string;
  title: string;
  /** Whose mark it has. */
  agent: { id: string; name: string };
  /** When it last changed. */
  atMs: number;
  current: boolean;
  streaming: boolean;
}

/** Conversations of all agents, last changed first. */
export interface ConversationList {
  links: readonly ConversationLink[];
  /** Where those before them are, if there are any. */
  olderHref?: string;
  /** Now, from which their days are counted. */
  nowMs: number;
}

/** A part of a text, and whether it is what was searched for. */
export interface TextPiece {
  readonly text: string;
  readonly isHit: boolean;
}

/** A message, or a conversation by its title, that a search found. */
export interface SearchHit {
  href: string;
  agent: { id: string; name: string };
  atMs: number;
  title: readonly TextPiece[];
  /** Of the message; empty for a title. */
  excerpt: readonly TextPiece[];
}

export interface SearchView {
  query: string;
  hits: readonly SearchHit[];
  /** Where older hits are. */
  moreHref?: string;
  isFirst: boolean;
  /** Whether not all messages can be found yet. */
  isIncomplete: boolean;
}

/** One agent of the user. */
export interface AgentView {
  agentId: string;
  backend: string;
  name: string;
  description?: string;
  /** Messages to begin with. */
  suggestions: readonly string[];
  disabled: boolean;
  current: boolean;
  runner: RunnerView;
}

/** What surrounds the content of every signed-in page. */
export interface Shell {
  user: { name: string; email: string; admin: boolean };
  agents: AgentView[];
  conversations: ConversationList;
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
  /** Markdown for an answer, plain text for a user's message. Where it is long, its beginning. */
  text: string;
  /** The text of an answer that has ended; empty where the page has it. */
  html?: Html;
  /** The text of one that is being written. */
  growing?: Growing;
  /** Where the whole text is, when `text` is only its beginning. */
  wholeHref?: string;
  status: 'streaming' | 'done' | 'stopped' | 'failed';
  createdAtMs: number;
  agentName: string;
  /** What the agent did before it said something. Absent where the page has it. */
  steps?: readonly StepView[];
  /** Its calls of the client's tools. */
  calls?: readonly StepView[];
  /** Of an answer that is done. */
  facts?: FactsView;
  /** While the runner starts: a progress bar in the answer's place. No percent means unknown. */
  progress?: { percent?: number; message: string };
  error?: ErrorView;
  /** What the answer lacked, to be filled in on the spot. */
  missing?: MissingView;
  interrupted: boolean;
  /** It is the newest, and did not end well. */
  retryable: boolean;
  variants?: VariantsView;
}

/** The place of a message among its variants, which all follow the message at the position `after`. `number` is from 1. */
export interface VariantsView {
  after: number;
  number: number;
  count: number;
  previousId?: string | undefined;
  nextId?: string | undefined;
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

export interface KeyView {
  id: string;
  name: string;
  lastFour: string;
  createdAtMs: number;
  lastUsedAtMs?: number;
  expiresAtMs?: number;
  isExpired?: boolean;
  /** Opens more than `/v1`. */
  canManage?: boolean;
  /** Names of the agents that it opens; none means all. */
  only?: string[];
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  concurrentMax?: number;
  /** Whether a chat that waits is sent empty events beside its comments. */
  hasEventsWhileWaiting?: boolean;
}

/** A browser in which the user is signed in. `browser` and `address` are empty where they are not known. */
export interface SessionView {
  id: string;
  browser: string;
  address: string;
  createdAtMs: number;
  seenAtMs: number;
  /** Whether this page is of that session. */
  isCurrent: boolean;
}

/** A user as the administrator sees them. */
export interface UserView {
  id: string;
  email: string;
  /** May be empty. */
  name: string;
  createdAtMs: number;
  isAdmin: boolean;
  isYou: boolean;
  isDisabled: boolean;
  /** The user has not chosen one yet. */
  hasNoPassword: boolean;
}

/** An invitation; its link is not known any more. */
export interface InvitationView {
  id: string;
  /** Null: for anybody. */
  email: string | null;
  uses: number;
  usesMax: number;
  createdAtMs: number;
  expiresAtMs: number;
  isExpired: boolean;
}

/** The account of whoever is signed in. */
export interface YouView {
  name: string;
  email: string;
  isAdmin: boolean;
  sessions: SessionView[];
  /** What the last form of the card has done. */
  flash?: Flash | undefined;
  /** Refused forms with what was typed. */
  forms?: { name?: FormState; password?: FormState; removal?: FormState };
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

/** What calls to the LLM have used. Cached tokens are among the prompt's, reasoning tokens among the completion's. */
export interface UsageFigures {
  calls: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  /** Of calls whose model had a price. */
  cost: number;
  /** Calls whose tokens are a guess. */
  estimatedCalls: number;
}

/** What has one name: a model, an agent, a day as `2026-11-22`. */
export interface UsageLine extends UsageFigures {
  key: string;
  name: string;
}

export interface UsageTableView {
  /** Unique in the page. */
  id: string;
  title: string;
  /** What a line is: a model, an agent, … */
  nameOfLines: string;
  lines: UsageLine[];
}

/** Days as `2026-11-22`, the last one included. */
export interface UsageRangeView {
  from: string;
  to: string;
  presets: { label: string; from: string; to: string; current: boolean }[];
  errors: Record<string, string>;
}

export interface UsageView {
  range: UsageRangeView;
  totals: UsageFigures;
  /** What one of `times` is. The `key` of a week is its first day in the range. */
  step: 'day' | 'week';
  /** Every day or week of the range, in order. */
  times: UsageLine[];
  tables: UsageTableView[];
  /** Where the single calls are, as CSV. */
  csvHref: string;
}

/** What somebody, or one key, may use in a period, and has used. */
export interface BudgetView {
  /** Of the user or the key. */
  subjectId: string;
  /** The key's name, or the user's address. */
  label: string;
  /** Whose key it is. */
  owner?: string;
  isKey: boolean;
  unit: 'tokens' | 'money';
  period: 'day' | 'month';
  softLimit?: number;
  hardLimit?: number;
  used: number;
  resetsAtMs: number;
  level: 'within' | 'soft' | 'hard';
}

/** Whom a budget can be set for. */
export interface BudgetSubject {
  id: string;
  label: string;
  isKey: boolean;
}

/** Money per million tokens; without a price of their own, cached tokens cost what the others of the prompt do. */
export interface PriceView {
  model: string;
  prompt: number;
  completion: number;
  cached?: number;
  /** On top of the tokens: for each call, or for each picture of it. */
  perCall?: number;
}
