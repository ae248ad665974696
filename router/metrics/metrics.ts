/**
 * Metrics: what is counted for whoever watches the installation. Names of backends and drivers, endings, codes and causes,
 * and never whose: runners of this machine can read them too.
 */
import type { Ending } from '../relay/relay';
import { BackendNumbers, Counts, Histogram, LAG_SECONDS, StartWatch } from './counters';
import { type Live, textOf } from './prometheus';

/** How often the event loop is asked how late it is. */
const LAG_SAMPLE_MS = 1_000;

export type MetricsService = ReturnType<typeof metricsService>;

export function metricsService() {
  const byBackend = new Map<string, BackendNumbers>();
  const signIns = new Counts<'outcome'>(
    ['ok', 'wrong_credentials', 'too_many_requests'].map((outcome) => ({ outcome })),
  );
  const lag = new Histogram(LAG_SECONDS);

  function of(backend: string): BackendNumbers {
    const known = byBackend.get(backend);
    if (known) return known;
    const numbers = new BackendNumbers();
    byBackend.set(backend, numbers);
    return numbers;
  }

  return {
    /**
     * A request to a runner has ended. Of the hot path: additions and nothing else.
     * @param status of the answer, or of the error in its place; absent where a request was stopped before either.
     * @param firstByteMs until the runner began to answer; absent where it did not.
     */
    relayed(
      backend: string,
      ending: Ending,
      status: number | undefined,
      firstByteMs: number | undefined,
      totalMs: number,
    ): void {
      of(backend).relayed.count(ending, status, firstByteMs, totalMs);
    },

    /** A runner's call to its upstream has ended. @param status of the answer, or of the error in its place. */
    upstreamCalled(
      backend: string,
      ending: Ending,
      status: number,
      firstByteMs: number | undefined,
      totalMs: number,
    ): void {
      of(backend).upstream.count(ending, status, firstByteMs, totalMs);
    },

    tokensUsed(backend: string, tokens: { readonly prompt: number; readonly completion: number }): void {
      const numbers = of(backend);
      numbers.promptTokens += tokens.prompt;
      numbers.completionTokens += tokens.completion;
    },

    /** A start begins; the rest of it is told to what this returns. */
    startBegun: (backend: string): StartWatch => new StartWatch(of(backend)),

    /** A runner has ended that had been ready. @param cause one of few words. */
    runnerEnded: (backend: string, cause: string): void => of(backend).stops.add({ cause }),

    runnerAdopted(backend: string): void {
      of(backend).adopted += 1;
    },

    /** @param outcome `ok`, or the code of the error. */
    signInTried: (outcome: string): void => signIns.add({ outcome }),

    /** Watches how late the event loop is, until disposed. */
    watchLoop(): Disposable {
      let sampledMs = performance.now();
      const timer = setInterval(() => {
        const nowMs = performance.now();
        lag.observe(Math.max(0, nowMs - sampledMs - LAG_SAMPLE_MS));
        sampledMs = nowMs;
      }, LAG_SAMPLE_MS);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },

    /** Everything, in the text format of Prometheus. */
    text(live: Live): Promise<string> {
      // What has not happened yet is 0, not absent, so that its first time is seen as a rise.
      for (const { name } of live.backends.all()) of(name);
      return textOf({ byBackend, signIns, lag }, live);
    },
  };
}
