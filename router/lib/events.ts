/**
 * Publishes events to listeners: live streams of the UI, progress streams, waiting requests. Events are per user and in
 * memory only, and are never replayed: a listener that subscribes again must read the current state.
 */
import { safely } from './safely';

export type RouterEvent =
  /** The state or progress of an agent's runner changed. */
  | { readonly kind: 'runner'; readonly agentId: string }
  | { readonly kind: 'conversation'; readonly conversationId: string }
  | { readonly kind: 'message.added'; readonly conversationId: string; readonly messageId: string }
  /** The text or the progress of an unfinished answer changed. */
  | { readonly kind: 'message.grew'; readonly conversationId: string; readonly messageId: string }
  | { readonly kind: 'message.ended'; readonly conversationId: string; readonly messageId: string }
  | { readonly kind: 'message.removed'; readonly conversationId: string; readonly messageId: string }
  /** After this position other messages of the conversation are shown than before. */
  | { readonly kind: 'path'; readonly conversationId: string; readonly after: number }
  /** An agent sent an event that is not stored. */
  | {
      readonly kind: 'callback';
      readonly conversationId: string;
      readonly event: { readonly kind: string; readonly payload: object };
    }
  /** A platform stopped or began to answer, or the fetch of an image ended or failed. Sent to all users. */
  | { readonly kind: 'platforms' }
  /** A schedule of the agent has changed, or its time has come. */
  | { readonly kind: 'schedule'; readonly agentId: string }
  /** The user's row has changed, or the user is new. */
  | { readonly kind: 'user' }
  /** A session or key was revoked; its live streams end. */
  | { readonly kind: 'revoked'; readonly credentialId: string }
  /** The user was disabled or deleted; all their live streams end. */
  | { readonly kind: 'shut-out' };

export type Listener = (event: RouterEvent) => void;
type ListenerToAll<Kind extends RouterEvent['kind']> = (
  userId: string,
  event: Extract<RouterEvent, { readonly kind: Kind }>,
) => void;

export interface Events {
  publish(userId: string, event: RouterEvent): void;
  /** Publishes to the listeners of all users. */
  publishToAll(event: RouterEvent): void;
  /** An error that a listener throws does not reach the publisher. @returns Function that ends the subscription. */
  subscribe(userId: string, listener: Listener): () => void;
  /** Whether somebody is subscribed to the events of this user. */
  isHeard(userId: string): boolean;
  /**
   * Subscribes to the events of all users, of some kinds only, so that the many others cost nothing. The user of an event
   * for everybody is empty.
   * @returns Function that ends the subscription.
   */
  subscribeToAll<Kind extends RouterEvent['kind']>(kinds: readonly Kind[], listener: ListenerToAll<Kind>): () => void;
}

export function createEvents(): Events {
  const byUser = new Map<string, Set<Listener>>();
  const ofAll = new Map<RouterEvent['kind'], Set<(userId: string, event: never) => void>>();
  // Iterates over a copy, because a listener may end its own subscription during the call.
  const tell = (listeners: Iterable<Listener>, event: RouterEvent) => {
    for (const listener of [...listeners]) safely('listener', { kind: event.kind }, () => listener(event));
  };
  const tellAll = (userId: string, event: RouterEvent) => {
    for (const listener of ofAll.get(event.kind) ?? [])
      safely('listener', { kind: event.kind }, () => listener(userId, event as never));
  };
  return {
    publish(userId, event) {
      const listeners = byUser.get(userId);
      if (listeners) tell(listeners, event);
      tellAll(userId, event);
    },
    publishToAll(event) {
      tell(
        [...byUser.values()].flatMap((listeners) => [...listeners]),
        event,
      );
      tellAll('', event);
    },
    isHeard: (userId) => byUser.has(userId),
    subscribeToAll(kinds, listener) {
      // It is called with events of its kinds only.
      const one = listener as (userId: string, event: never) => void;
      for (const kind of kinds) ofAll.set(kind, (ofAll.get(kind) ?? new Set()).add(one));
      return () => {
        for (const kind of kinds) ofAll.get(kind)?.delete(one);
      };
    },
    subscribe(userId, listener) {
      const listeners = byUser.get(userId) ?? new Set();
      byUser.set(userId, listeners.add(listener));
      return () => {
        // Idempotent: on a second call the user may have a new set of listeners, which must stay.
        if (listeners.delete(listener) && listeners.size === 0) byUser.delete(userId);
      };
    },
  };
}
