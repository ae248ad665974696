/** The three runtimes of `backends.json` that come from elsewhere, with what a test must know of each. */
import type { Script } from '../../support/upstream';
import type { Recipe } from './image';
import { openclawRecipe } from './openclaw-image';
import { hermesRecipe, nanobotRecipe } from './python-image';
import { toolCall } from './tool-call';

export interface RealRuntime {
  /** Of its entry in `backends.json`. */
  readonly name: string;
  /** As people call it. */
  readonly title: string;
  readonly recipe: Recipe;
  /** The user that runs its tools. */
  readonly uid: number;
  /** Memory with which it becomes ready, and which a turn exceeds. */
  readonly smallMemory: string;
  /** The upstream's answer that is nothing but a command for the shell, which starts in the workspace. */
  shell(command: string): Script;
  /** The upstream's answer that stores a text for all conversations. */
  remember(text: string): Script;
  /** Calls of the upstream for a turn in which each call fails. */
  readonly callsOfFailedTurn: number;
  /** How an answer tells that the upstream failed: one without a stream, and a streamed one. */
  readonly failsWith: 'status' | 'finish reason' | 'text';
  readonly streamFailsWith: 'error' | 'text';
  /** When its call to the upstream ends after its client has left. */
  readonly endsCall: 'at once' | 'with the next piece' | 'by itself';
  /** Whether its streams report its tools, for the page to show. */
  readonly reportsTools: boolean;
  /** What the router adds to the body of a chat. */
  readonly directBody: Readonly<Record<string, string>>;
  /** Prints its version, in its container. */
  readonly versionCommand: readonly string[];
}

export function realRuntime(name: string): RealRuntime {
  const runtime = REAL_RUNTIMES.find((one) => one.name === name);
  if (!runtime) throw new Error(`${name} is none of the real runtimes`);
  return runtime;
}

export const REAL_RUNTIMES: readonly RealRuntime[] = [
  {
    name: 'openclaw',
    title: 'OpenClaw',
    recipe: openclawRecipe,
    uid: 1000,
    smallMemory: '768m',
    shell: (command) => toolCall('exec', { command }),
    remember: (text) => toolCall('exec', { command: `echo '${text}' >> MEMORY.md` }),
    callsOfFailedTurn: 1,
    failsWith: 'status',
    streamFailsWith: 'error',
    directBody: { model: 'openclaw/main' },
    endsCall: 'at once',
    reportsTools: false,
    versionCommand: ['node', 'openclaw.mjs', '--version'],
  },
  {
    name: 'hermes-agent',
    title: 'Hermes Agent',
    recipe: hermesRecipe,
    uid: 10_000,
    smallMemory: '104m',
    shell: (command) => toolCall('terminal', { command }),
    remember: (content) => toolCall('memory', { action: 'add', target: 'memory', content }),
    callsOfFailedTurn: 1,
    failsWith: 'finish reason',
    streamFailsWith: 'error',
    directBody: { model: 'hermes-agent' },
    endsCall: 'by itself',
    reportsTools: true,
    versionCommand: ['hermes', '--version'],
  },
  {
    name: 'nanobot',
    title: 'nanobot',
    recipe: nanobotRecipe,
    uid: 1000,
    smallMemory: '96m',
    shell: (command) => toolCall('exec', { command }),
    remember: (text) => toolCall('exec', { command: `echo '${text}' >> memory/MEMORY.md` }),
    callsOfFailedTurn: 4,
    failsWith: 'text',
    streamFailsWith: 'text',
    directBody: { session_id: 'script' },
    endsCall: 'with the next piece',
    reportsTools: false,
    versionCommand: ['nanobot', '--version'],
  },
];

/** What the table of `docs/runtimes.md` says in place of "yes" of a client that leaves, of a failure and of commands. */
export function notesOf({ endsCall, failsWith, reportsTools }: RealRuntime) {
  const left = {
    'at once': 'at once',
    'with the next piece': 'with the next piece of text',
    'by itself': 'when this call has ended',
  };
  const failed = {
    status: 'an error status',
    'finish reason': 'the finish reason `error`',
    text: 'the text of an answer that ends well',
  };
  const tools = reportsTools ? 'yes' : 'no: it does not report them';
  return { left: left[endsCall], failed: failed[failsWith], tools };
}
