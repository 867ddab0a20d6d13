import { PeerFailed } from "../errors.ts";
import { CONNECT_TIMEOUT_MS, STALL_TIMEOUT_MS } from "../wire/limits.ts";

/**
 * Aborts a request that makes no progress, or that nobody wants any more. Only the time in which
 * the peer is waited for counts: a slow disk here is no fault of his.
 */
export class Watch {
  readonly #peer: string;
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stop = () => this.#controller.abort(this.#outer.reason);
  /** Since when the peer is waited for; undefined while he is not. */
  #since: number | undefined = performance.now();
  #allowed = CONNECT_TIMEOUT_MS;
  #stalled = false;

  constructor(peer: string, signal: AbortSignal) {
    this.#peer = peer;
    this.#outer = signal;
    if (signal.aborted) this.#stop();
    signal.addEventListener("abort", this.#stop);
    // One timer that looks now and then costs less than one that is set again at every chunk.
    this.#timer = setInterval(() => {
      if (this.#since === undefined || performance.now() - this.#since < this.#allowed) return;
      this.#stalled = true;
      this.#controller.abort();
    }, 250);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came: the peer is not waited for any more. */
  came(): void {
    this.#since = undefined;
    this.#allowed = STALL_TIMEOUT_MS;
  }

  /** The next thing is waited for: it may take as long as a stall does. */
  waits(): void {
    this.#since = performance.now();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#outer.removeEventListener("abort", this.#stop);
  }

  /** What an exception of the request means. */
  explain(cause: unknown): unknown {
    if (this.#outer.aborted) return this.#outer.reason;
    const reason = this.#stalled
      ? `it sent nothing for ${this.#allowed / 1000} seconds`
      : rootMessage(cause);
    return new PeerFailed(this.#peer, reason, { cause });
  }
}

/** An HTTP response of a peer, closed when it is disposed of. */
export class Answer implements Disposable {
  readonly #peer: string;
  readonly #response: Response;
  readonly #watch: Watch;

  constructor(peer: string, response: Response, watch: Watch) {
    this.#peer = peer;
    this.#response = response;
    this.#watch = watch;
  }

  get status(): number {
    return this.#response.status;
  }

  get headers(): Headers {
    return this.#response.headers;
  }

  /** @throws PeerFailed when the status is another one */
  require(status: number): void {
    if (this.status !== status) {
      throw new PeerFailed(this.#peer, `it answered ${this.status} ${this.#response.statusText}`);
    }
  }

  /** The body as it comes; afterwards the answer is closed. @throws PeerFailed when it stalls or breaks off */
  async *body(): AsyncGenerator<Uint8Array> {
    const reader = this.#response.body?.getReader();
    if (reader !== undefined) yield* this.#parts(reader, () => reader.read());
  }

  /**
   * The same through one buffer, which takes less than half of the processor's time: each part is
   * gone when the next one is asked for.
   *
   * @param size of the largest part
   */
  async *bodyInPlace(size: number): AsyncGenerator<Uint8Array> {
    const reader = this.#response.body?.getReader({ mode: "byob" });
    if (reader === undefined) return;
    let buffer = new ArrayBuffer(size);
    yield* this.#parts(reader, async () => {
      const result = await reader.read(new Uint8Array(buffer));
      if (result.value !== undefined) buffer = result.value.buffer;
      return result;
    });
  }

  async *#parts(
    reader: ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader,
    read: () => Promise<{ done: boolean; value?: Uint8Array | undefined }>,
  ): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        this.#watch.waits();
        const { done, value } = await read();
        if (done) return;
        this.#watch.came();
        yield value!;
      }
    } catch (cause) {
      throw this.#watch.explain(cause);
    } finally {
      reader.releaseLock();
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#watch.end();
    this.#response.body?.cancel().catch(() => {});
  }
}

/** The innermost message of an error: the outer ones only say that a request failed. */
function rootMessage(error: unknown): string {
  let message = String(error);
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if (inner.message !== "") message = inner.message;
  }
  return message.replace(/^.*client error \(\w+\): /, "").replace(/^.*: (?=\w+ error: )/, "");
}
