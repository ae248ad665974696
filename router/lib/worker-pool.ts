/**
 * Work on what others have sent that may take too long for the event loop: done in worker threads, with a deadline for
 * each piece. Threads are made when they are needed, and one that misses its deadline is ended and made anew.
 */
import { FairQueue } from './fair-queue';
import { processLog } from './log';

/** To load a worker's script takes about 0.1 s; on a machine that is busy it takes seconds. */
const START_MS = 10_000;

export interface WorkerPoolOptions {
  /**
   * Path of the worker's script. It posts one message when it is ready, and then one for each that it gets; `undefined`
   * says that the piece could not be done.
   */
  readonly file: string;
  /** How many pieces are worked on at a time. As many threads more may be about to end. */
  readonly threadsMax: number;
  /** For one piece, from its begin. */
  readonly deadlineMs: number;
  /** Pieces of one user that wait for their turn. */
  readonly waitingMax: number;
}

/** `slow`: given up after the deadline, or the worker failed at it. `busy`: did not begin in time. */
export type Outcome<Result> = { readonly result: Result } | 'slow' | 'busy';

interface Piece<Job, Result> {
  readonly userId: string;
  readonly job: Job;
  /** `performance.now()` after which it does not begin any more. */
  readonly beginsUntilMs: number;
  resolve(outcome: Outcome<Result>): void;
}

interface Thread<Job, Result> {
  readonly worker: Worker;
  /** Resolves when it is ready, or has failed. */
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
   * Users take turns, and each has one piece worked on at a time: what one user sends keeps no other waiting.
   * @param beginsUntilMs as `performance.now()`.
   */
  run(userId: string, job: Job, beginsUntilMs: number): Promise<Outcome<Result>> {
    return new Promise((resolve) => {
      if (this.#closed || this.#queue.of(userId).length >= this.options.waitingMax) return resolve('busy');
      this.#queue.add({ userId, job, beginsUntilMs, resolve });
      this.#next();
    });
  }

  /** Resolves when a thread is there, so that nobody's time is counted while the first one starts. */
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
    thread.state = 'working';
    thread.piece = piece;
    thread.timer = setTimeout(() => this.#end(thread, 'slow'), this.options.deadlineMs);
    thread.worker.postMessage(piece.job);
  }

  #startThread(): void {
    const states = [...this.#threads].map(({ state }) => state);
    const ending = states.filter((state) => state === 'ending').length;
    // A thread ends between two steps of its script, and some are long: to match one regular expression is one.
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
    if (state === 'working') piece?.resolve(result === undefined ? 'slow' : { result });
    this.#next();
  }

  /** A worker breaks. Where it cannot even be started, what waits for it is not kept waiting for the next one. */
  #fail(thread: Thread<Job, Result>, problem: string): void {
    processLog.error({ problem, file: this.options.file }, 'worker.failed');
    const waiting = thread.state === 'starting' ? this.#queue.inTurn() : [];
    this.#end(thread, 'slow');
    for (const piece of waiting) {
      this.#queue.remove(piece);
      piece.resolve('busy');
    }
  }

  /** Idempotent. The thread counts until it has really ended. */
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
