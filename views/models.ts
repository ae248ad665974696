/**
 * View models: everything a page or part shows, already looked up. Routes build them; parts never look anything up.
 * Times are milliseconds since the epoch; percentages are 0 to 100.
 */
import type { CutBy, FactsView, FoldView, StepView } from './chat/models';
import type { MissingView } from './credentials/models';
import type { Growing, Html } from './markup';

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
 * `message` and `hint` are for people who can mend it, and absent for everybody else.
 */
interface UnavailableView {
  platform?: string;
  message?: string;
  hint?: string;
}

/** The image that an agent starts from, while it is missing. `message` and `hint` as above. */
interface ImageView {
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
  /** An answer has ended there that its owner has not seen. */
  unread: boolean;
  shelf: Shelf;
}

/** Where its owner keeps a conversation. */
export type Shelf = 'list' | 'pinned' | 'archived';

/** A conversation that can be renamed, pinned, archived, exported and deleted. `error` is of the typed title. */
export interface OptionsView {
  id: string;
  title: string;
  shelf: Shelf;
  error?: string;
}

/** Conversations of all agents on one shelf, last changed first. */
export interface ConversationList {
  shelf: Shelf;
  /** Pinned conversations, above the first page of the list. */
  pinned: readonly ConversationLink[];
  links: readonly ConversationLink[];
  /** Where those before them are, if there are any. */
  olderHref?: string;
  /** Now, from which their days are counted. */
  nowMs: number;
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
  /** What can be attached to a message; absent where nothing can. */
  attach?: AttachLimits | undefined;
  runner: RunnerView;
}

/** Limits of the files of one message. */
export interface AttachLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

/** A file of a message. `width` and `height` of a picture, where they are known. */
export interface AttachmentView {
  id: string;
  name: string;
  bytes: number;
  isPicture: boolean;
  /** The host of a picture on another site, whose address is its name. */
  host?: string;
  width?: number;
  height?: number;
}

/** The frame of every signed-in page: user, agents, conversations. */
export interface Shell {
  user: { id: string; name: string; email: string; admin: boolean };
  agents: AgentView[];
  conversations: ConversationList;
  /** The stream of what changes around the content of a page. */
  liveUrl: string;
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
  role: 'user' | 'assistant' | 'notice';
  /** The agent said it without being asked, as it does every notice. */
  isCallback?: true;
  /** Markdown for an answer or a notice, plain text for a user's message. Where it is long, its beginning. */
  text: string;
  /** The text of an answer that has ended; empty where the page has it. */
  html?: Html;
  /** The text of an answer that is being written. */
  growing?: Growing;
  /** Where the whole text is, when `text` is only its beginning. */
  wholeHref?: string;
  status: 'streaming' | 'done' | 'stopped' | 'failed';
  createdAtMs: number;
  agentName: string;
  /** The steps before the text. Absent in an update for a page that shows them. */
  steps?: readonly StepView[];
  /** The line above them where they are many. */
  fold?: FoldView | undefined;
  /** Files of a user's message. */
  files?: readonly AttachmentView[];
  /** Its calls of the client's tools. */
  calls?: readonly StepView[];
  callsFold?: FoldView | undefined;
  /** Facts of an answer that is done. */
  facts?: FactsView;
  /** While the runner starts: a progress bar in the answer's place. No percent means unknown. */
  progress?: { percent?: number; message: string };
  error?: ErrorView;
  /** Why the model ended it before it was whole. */
  incomplete?: CutBy;
  /** Where the agent is asked to go on with it: the form's address. */
  goOnAction?: string;
  /** Missing credentials that the message offers a form for. */
  missing?: MissingView;
  interrupted: boolean;
  /** Whether it is the newest message and did not end well. */
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
  isArchived: boolean;
  /** An answer has ended there that nobody has seen. */
  isUnread: boolean;
  agentId: string;
  agentName: string;
  messages: MessageView[];
  /** Whether there are newer messages than these. */
  isPast?: boolean;
  /** The database refuses its newest turn, which is in memory only or not stored as a whole. */
  isUnsaved?: boolean;
  /** The message that is being edited, in its place. */
  edit?: EditView;
  earlierHref?: string;
  streamingId?: string;
  liveUrl: string;
}

/** A message of the user's that is being edited. */
export interface EditView {
  messageId: string;
  text: string;
  /** Its files, and whether the new message has them too. */
  files: readonly (AttachmentView & { isKept: boolean })[];
  /** As of the composer. */
  lengthMax: number;
  error?: string;
}

export interface ComposerView {
  text: string;
  /** Characters of the longest message that is taken, as `length` of a string counts them. */
  lengthMax: number;
  error?: string;
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
