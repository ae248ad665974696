/** A request of `/v1` as it came in, with what its answer needs: who sent it, how its body is read, and the headers. */
import type { Server } from 'elysia/universal';
import type { Caller } from '../accounts/identify';
import type { JsonBody } from '../backends/shape';
import type { Share } from '../lib/allowance';
import type { Soon } from '../lib/lookup';
import type { UrlParts } from '../net/url-parts';
import { readBody } from '../web/bodies/read';
import { type Incoming, waitNoLonger } from '../web/patience';
import type { OpenaiDeps } from './deps';

export type Bytes = Uint8Array<ArrayBuffer>;

/** Elysia's headers for the answer, also for a refusal. Elysia adds them to an answer that has none itself. */
export interface Answered {
  headers: Record<string, string | number>;
}

export class Asked {
  /** Whether the answer goes on when the client leaves; otherwise the runner's request is aborted (law 9). */
  readonly detach: boolean;

  constructor(
    readonly deps: OpenaiDeps,
    readonly who: Caller,
    readonly request: Request,
    readonly set: Answered,
    readonly listener: Server | null,
  ) {
    this.detach = request.headers.get('x-agent-stack-detach') === 'true';
  }

  /** Reads the body of the request. */
  read(share: Share): Soon<Bytes> {
    const { deps, listener, request } = this;
    return readBody(request, { maxBytes: deps.config.maxBodyBytes, share, listener, isPatient: true });
  }

  /** Takes Elysia's headers for the answer itself: if Elysia added them, it would turn the finished body into a stream. */
  takeHeaders(): Readonly<Record<string, string | number>> {
    const { headers } = this.set;
    this.set.headers = {};
    return headers;
  }

  get incoming(): Incoming {
    return { request: this.request, server: this.listener };
  }

  /** To be called when the answer has ended. */
  end(): void {
    waitNoLonger(this.listener, this.request);
  }
}

/** A request with an `Idempotency-Key`. Its body is read already; its answer has no headers of this request, as others may get it. */
export class AskedOnce extends Asked {
  constructor(
    { deps, who, request, set, listener }: Asked,
    readonly bytes: Bytes,
    /** Called at the end of the answer. */
    readonly ended: () => void,
  ) {
    super(deps, who, request, set, listener);
  }

  override read(): Bytes {
    return this.bytes;
  }

  override takeHeaders(): Readonly<Record<string, string | number>> {
    return {};
  }

  override end(): void {
    this.ended();
  }
}

/** A request whose body has been read. */
export interface Requested {
  readonly asked: Asked;
  readonly bytes: Bytes;
  /** The share of the memory allowance from which a long answer takes its bytes. */
  readonly share: Share;
  readonly url: UrlParts;
  /** Below `/v1/`. */
  readonly path: string;
  readonly body: JsonBody | undefined;
}
