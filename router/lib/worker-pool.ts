/**
 * Runs work on foreign input in worker threads, because it may take too long for the event loop. Each piece has a
 * deadline. Threads are started when they are needed. A thread that misses its deadline is ended and replaced.
 */
import { FairQueue } from './fair-queue';
import { processLog } from './log';

/** Time limit for loading a worker's script. That takes about 0.1 s; on a busy machine it takes seconds. */
const START_MS = 10_000;

interface WorkerPoolOptions {
  /**
   * Path of the worker's script. The script posts one message when it is ready, and then one message for each message that
   * it receives; `undefined` means that it could not do the piece.
   */
  readonly file: string;
  /** How many pieces are worked on at once. Up to as many further threads may be ending at the same time. */
  readonly threadsMax: number;
  /** Time limit for one piece, from its start. */
  readonly deadlineMs: number;
  /** How many pieces of one user may wait in the queue. */
  readonly waitingMax: number;
  /** Milliseconds without work after which a thread is ended. By default it is kept. */
  readonly idleMs?: number;
}

/** `slow`: the piece missed its deadline, or the worker failed. `busy`: the piece did not start in time. */
export type Outcome<Result> = { readonly result: Result } | 'slow' | 'busy';

interface Piece<Job, Result> {
  readonly userId: string;
  readonly job: Job;
  /** Time of `performance.now()` after which the piece is not started any more. */
  readonly beginsUntilMs: number;
  resolve(outcome: Outcome<Result>): void;
}

interface Thread<Job, Result> {
  readonly worker: Worker;
  /** Resolves when the thread is ready or has failed. */
  readonly started: PromiseWithResolvers<void>;
  state: 'starting' | 'idle' | 'working' | 'ending';
  piece?: Piece<Job, Result> | undefined;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

export class WorkerPool<Job, Result> implements Disposable {
  readonly #queue = new FairQueue<Piece<Job, Result>>();
  readonly #threads = new Set<Thread<Job, Result>>();
  #closed = false;

  constructor(readonly options: WorkerPoolOptions) {}

  /**
   * Runs a job in a thread. Users take turns, and only one piece of each user runs at a time, so that one user does not
   * block the others.
   * @param beginsUntilMs time of `performance.now()` after which the job is not started any more.
   */
  run(userId: string, job: Job, beginsUntilMs: number): Promise<Outcome<Result>> {
    return new Promise((resolve) => {
      if (this.#closed || this.#queue.of(userId).length >= this.options.waitingMax) return resolve('busy');
      this.#queue.add({ userId, job, beginsUntilMs, resolve });
      this.#next();
    });
  }

  /**
   * Resolves when a thread is ready. Await it first, so that the start of the first thread does not count against a
   * job's time.
   */
  async ready(): Promise<void> {
    const isThere = ({ state }: Thread<Job, Result>) => state === 'idle' || state === 'working';
    if ([...this.#threads].some(isThere)) return;
    this.#startThread();
    const starting = [...this.#threads].find(({ state }) => state === 'starting');
    await starting?.started.promise;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const piece of this.#queue.inTurn()) piece.resolve('busy');
    for (const thread of this.#threads) this.#end(thread, 'busy');
  }

  #next(): void {
    const working = new Set([...this.#threads].map(({ piece }) => piece?.userId));
    for (const piece of this.#queue.inTurn()) {
      if (piece.beginsUntilMs < performance.now()) {
        this.#queue.remove(piece);
        piece.resolve('busy');
      } else if (!working.has(piece.userId)) {
        const thread = [...this.#threads].find(({ state }) => state === 'idle');
        if (!thread) {
          this.#startThread();
          break;
        }
        working.add(piece.userId);
        this.#queue.serve(piece);
        this.#begin(thread, piece);
      }
    }
  }

  #begin(thread: Thread<Job, Result>, piece: Piece<Job, Result>): void {
    clearTimeout(thread.timer);
    thread.state = 'working';
    thread.piece = piece;
    thread.timer = setTimeout(() => this.#end(thread, 'slow'), this.options.deadlineMs);
    thread.worker.postMessage(piece.job);
  }

  #startThread(): void {
    const states = [...this.#threads].map(({ state }) => state);
    const ending = states.filter((state) => state === 'ending').length;
    // A terminated thread ends only after its current native call, which may be long, such as one regular expression match.
    const isFull = states.length - ending >= this.options.threadsMax || ending > this.options.threadsMax;
    if (isFull || states.includes('starting') || this.#closed) return;
    const worker = new Worker(this.options.file, { smol: true, ref: false });
    const thread: Thread<Job, Result> = { worker, state: 'starting', started: Promise.withResolvers() };
    this.#threads.add(thread);
    thread.timer = setTimeout(() => this.#fail(thread, `not ready after ${START_MS} ms`), START_MS);
    worker.onmessage = ({ data }: MessageEvent<Result | undefined>) => this.#onMessage(thread, data);
    worker.onerror = ({ message }) => this.#fail(thread, message);
    worker.addEventListener('close', () => {
      this.#threads.delete(thread);
      this.#end(thread, 'slow');
      this.#next();
    });
  }

  #onMessage(thread: Thread<Job, Result>, result: Result | undefined): void {
    const { piece, state } = thread;
    if (state === 'ending') return;
    clearTimeout(thread.timer);
    thread.started.resolve();
    thread.state = 'idle';
    thread.piece = undefined;
    const { idleMs } = this.options;
    if (idleMs !== undefined) thread.timer = setTimeout(() => this.#end(thread, 'slow'), idleMs).unref();
    if (state === 'working') piece?.resolve(result === undefined ? 'slow' : { result });
    this.#next();
  }

  /**
   * Handles a failed worker. If it failed while starting, the waiting pieces fail too, instead of waiting for another
   * worker.
   */
  #fail(thread: Thread<Job, Result>, problem: string): void {
    processLog.error({ problem, file: this.options.file }, 'worker.failed');
    const waiting = thread.state === 'starting' ? this.#queue.inTurn() : [];
    this.#end(thread, 'slow');
    for (const piece of waiting) {
      this.#queue.remove(piece);
      piece.resolve('busy');
    }
  }

  /** Ends the thread. Idempotent. The thread counts towards the limits until it has really ended. */
  #end(thread: Thread<Job, Result>, outcome: 'slow' | 'busy'): void {
    const { piece, state } = thread;
    clearTimeout(thread.timer);
    thread.started.resolve();
    thread.piece = undefined;
    piece?.resolve(outcome);
    if (state === 'ending') return;
    thread.state = 'ending';
    thread.worker.terminate();
    this.#next();
  }
}
