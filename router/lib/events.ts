/**
 * What happened, told to whoever listens: the live streams of the UI, progress streams, waiting requests.
 * In memory and per user; a listener that was away reads the state again, it is never replayed from here.
 */
import { safely } from './safely';

export type RouterEvent =
  /** The state or progress of an agent's runner changed. */
  | { readonly kind: 'runner'; readonly agentId: string }
  | { readonly kind: 'conversation'; readonly conversationId: string }
  | { readonly kind: 'message.added'; readonly conversationId: string; readonly messageId: string }
  /** An answer that is being written has more text or another progress. */
  | { readonly kind: 'message.grew'; readonly conversationId: string; readonly messageId: string }
  | { readonly kind: 'message.ended'; readonly conversationId: string; readonly messageId: string }
  | { readonly kind: 'message.removed'; readonly conversationId: string; readonly messageId: string }
  /** A platform fell silent or answers again, or an image came or could not be had. Concerns everybody. */
  | { readonly kind: 'platforms' }
  /** A session or key is no longer good: its live streams end. */
  | { readonly kind: 'revoked'; readonly credentialId: string };

export type Listener = (event: RouterEvent) => void;

export interface Events {
  publish(userId: string, event: RouterEvent): void;
  /** To every user's listeners. */
  publishToAll(event: RouterEvent): void;
  /** What a listener throws is its own affair. @returns a function that ends the subscription. */
  subscribe(userId: string, listener: Listener): () => void;
  /** To what happens to any user, for good. */
  subscribeToAll(listener: (userId: string, event: RouterEvent) => void): void;
}

export function createEvents(): Events {
  const byUser = new Map<string, Set<Listener>>();
  const ofAll: ((userId: string, event: RouterEvent) => void)[] = [];
  // A copy: a listener may end its own subscription while it is told.
  const tell = (listeners: Iterable<Listener>, event: RouterEvent) => {
    for (const listener of [...listeners]) safely('listener', { kind: event.kind }, () => listener(event));
  };
  return {
    publish(userId, event) {
      tell(byUser.get(userId) ?? [], event);
      for (const listener of ofAll) safely('listener', { kind: event.kind }, () => listener(userId, event));
    },
    publishToAll: (event) =>
      tell(
        [...byUser.values()].flatMap((listeners) => [...listeners]),
        event,
      ),
    subscribeToAll: (listener) => void ofAll.push(listener),
    subscribe(userId, listener) {
      const listeners = byUser.get(userId) ?? new Set();
      byUser.set(userId, listeners.add(listener));
      return () => {
        // Twice is once: by then the user may have listeners anew.
        if (listeners.delete(listener) && listeners.size === 0) byUser.delete(userId);
      };
    },
  };
}
