/**
 * Counts what the operator of the installation monitors. Labels are names of backends and drivers, endings, codes and
 * causes, never a user: runners on this machine can read the metrics too.
 */
import { steadyMs } from '../lib/time';
import { BackendNumbers, Counts, type EndedAnswer, Histogram, LAG_SECONDS, StartWatch } from './counters';
import { type Live, textOf } from './prometheus';
import { RecentAnswers } from './recent-answers';

/** Interval of the event loop lag samples. */
const LAG_SAMPLE_MS = 1_000;

export type MetricsService = ReturnType<typeof metricsService>;

/** @param now milliseconds of a clock that is never set. */
export function metricsService(now: () => number = steadyMs) {
  const recent = new RecentAnswers(now);
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
    /** Counts a request to a runner that has ended. Called for every request: only additions here. */
    relayed(backend: string, ended: EndedAnswer): void {
      const { ending, status } = ended;
      of(backend).relayed.count(ended);
      recent.count(ending === 'failed' || (status ?? 0) >= 500);
    },

    /** Answers of the last hour and the last day, at most since the start of the router. */
    recentAnswers: () => recent.counts(),

    /** Counts a runner's call to its upstream that has ended. */
    upstreamCalled: (backend: string, ended: EndedAnswer): void => of(backend).upstream.count(ended),

    tokensUsed(backend: string, tokens: { readonly prompt: number; readonly completion: number }): void {
      const numbers = of(backend);
      numbers.promptTokens += tokens.prompt;
      numbers.completionTokens += tokens.completion;
    },

    /** Begins to time a start. The caller reports stages and outcome to the returned `StartWatch`. */
    startBegun: (backend: string): StartWatch => new StartWatch(of(backend)),

    /** Counts a runner that was ready and has ended. @param cause a label value, so only a few fixed values. */
    runnerEnded: (backend: string, cause: string): void => of(backend).stops.add({ cause }),

    runnerAdopted(backend: string): void {
      of(backend).adopted += 1;
    },

    /** Counts a callback of a runner, which has proved by its token whose it is. @param code of the error that refused it. */
    calledBack: (backend: string, outcome: string, code = ''): void => of(backend).callbacks.add({ outcome, code }),

    /** Counts an attempt to sign in. @param outcome `ok`, or the code of the error. */
    signInTried: (outcome: string): void => signIns.add({ outcome }),

    /** Measures the lag of the event loop until the result is disposed. */
    watchLoop(): Disposable {
      let sampledMs = performance.now();
      const timer = setInterval(() => {
        const nowMs = performance.now();
        lag.observe(Math.max(0, nowMs - sampledMs - LAG_SAMPLE_MS));
        sampledMs = nowMs;
      }, LAG_SAMPLE_MS);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },

    /** Returns all metrics in the text format of Prometheus. */
    text(live: Live): Promise<string> {
      // Creates the counters of each backend, so that they start at 0. Without that `rate` would miss the first event.
      for (const { name } of live.backends.all()) of(name);
      return textOf({ byBackend, signIns, lag }, live);
    },
  };
}
