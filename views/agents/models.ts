/** What the pages about agents show, already looked up. */
import type { FormState } from '../models';

/** A variable that the agent may be given. */
export interface AgentVariableView {
  readonly name: string;
  readonly isSecret: boolean;
  /** The value, or its mask where it is secret; absent when there is none. */
  readonly shown?: string;
}

export interface AgentSettingsView {
  readonly name: string;
  /** Its kind: the backend's name for people. */
  readonly kind: string;
  /** Its own model, and the one that it uses without; absent where the kind has no choice. */
  readonly model?: { readonly own: string; readonly inherited?: string };
  /** Its own idle time, null for that of its kind; 0: never stopped. */
  readonly idle: { readonly own: number | null; readonly inherited: number; readonly max: number };
  readonly limits: {
    readonly memoryBytes?: number;
    readonly cpus?: number;
    readonly pids?: number;
    readonly answerMs: number;
  };
  /** Absent where its runtime reads none. */
  readonly instructions?: { readonly text: string; readonly isOwn: boolean; readonly file: string };
  readonly variables: readonly AgentVariableView[];
  /** Refused forms, by the id of their card. */
  readonly refused: Readonly<Record<string, FormState | undefined>>;
}

/** A kind of which the user may make agents. */
export interface KindView {
  readonly backend: string;
  readonly name: string;
  /** How many agents the user may still make of it. */
  readonly left: number;
}

/** The models to choose from in the title bar. */
export interface ModelChoiceView {
  readonly agentId: string;
  /** The agent's own; empty: the inherited one. */
  readonly own: string;
  readonly inherited?: string;
  readonly models: readonly string[];
  /** Why there is no list. */
  readonly error?: string;
}
