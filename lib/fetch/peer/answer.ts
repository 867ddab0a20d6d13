import { PeerBusy, PeerFailed, PeerSlow } from "../../errors.ts";
import {
  BUSY_RETRY_SECONDS,
  CONNECT_TIMEOUT_MS,
  MAX_RETRY_SECONDS,
  MIN_RETRY_SECONDS,
  STALL_TIMEOUT_MS,
  TRICKLE,
} from "../../wire/limits.ts";

const TICK_MS = 250;

/** What an answer took. */
export interface Times {
  /** In all, what was done here with what came included. */
  readonly seconds: number;
  /** While nothing was done but waiting for the peer. */
  readonly waitedSeconds: number;
}

/** One timer that looks at all requests now and then: one for each, set at every chunk, would cost more. */
const watches = new Set<Watch>();
let ticker: ReturnType<typeof setInterval> | undefined;
let ticked = 0;

/** Time in which this process did something else, as on a slow disk, is no silence of a peer. */
function tick(): void {
  const now = performance.now();
  const late = Math.max(0, now - ticked - TICK_MS);
  ticked = now;
  let places = 0;
  for (const watch of watches) if (watch.look(late)) places++;
  // Who was waiting for a place gets it before another one has to go for him.
  if (places > 0) return;
  const slow = [...watches].filter(({ little }) => little !== undefined);
  for (const watch of slow.sort((a, b) => a.little! - b.little!)) if (watch.makeWay()) return;
}

/**
 * Told how much a peer brings, and for how long it was waited for: whether it is to make way for others.
 */
export type MakesWay = (bytesPerSecond: number, milliseconds: number) => boolean;

/** Who is to make way, and when. */
export interface Way {
  readonly makesWay: MakesWay;
  /** Who brings fewer bytes than this in `TRICKLE.ms` of waiting is asked to. */
  readonly enough: number;
}

/**
 * Aborts a request that makes no progress, or that nobody wants any more. Only the time in which
 * the peer is waited for counts: a slow disk here is no fault of his.
 */
export class Watch {
  readonly #peer: string;
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #patience: number;
  readonly #way: Way | undefined;
  readonly #stop = () => this.#controller.abort(this.#outer.reason);
  readonly #begun = performance.now();
  #latest = this.#begun;
  /** Since when the peer is waited for; undefined while he is not. */
  #since: number | undefined = performance.now();
  /** How much of that time this process did something else, in milliseconds. */
  #excused = 0;
  #allowed: number;
  /** What came in how much waiting, since that was looked at last. */
  #bytes = 0;
  #waited = 0;
  #waitedInAll = 0;
  #ended: PeerFailed | PeerSlow | undefined;
  /** What came the last time that was looked at, in bytes per second; undefined if it was enough. */
  #little: number | undefined;

  /**
   * @param patience how much longer than others the peer may take to begin its answer, and the body of
   *   that, in milliseconds
   * @param way when the peer is to make way for others; never by default
   */
  constructor(peer: string, signal: AbortSignal, patience = 0, way?: Way) {
    this.#peer = peer;
    this.#outer = signal;
    this.#patience = patience;
    this.#way = way;
    this.#allowed = CONNECT_TIMEOUT_MS + patience;
    if (signal.aborted) this.#stop();
    signal.addEventListener("abort", this.#stop);
    watches.add(this);
    if (ticker !== undefined) return;
    ticked = performance.now();
    ticker = setInterval(tick, TICK_MS);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How long it has taken until something came last, and how much of that the peer was waited for. */
  get times(): Times {
    return {
      seconds: (this.#latest - this.#begun) / 1000,
      waitedSeconds: this.#waitedInAll / 1000,
    };
  }

  /** Something came: the peer is not waited for any more. */
  came(bytes: number): void {
    if (this.#since !== undefined) {
      this.#latest = performance.now();
      const waited = this.#latest - this.#since;
      // What it may take to begin is no sign that it brings little.
      this.#waited += bytes === 0 ? Math.max(0, waited - this.#patience) : waited;
      this.#waitedInAll += waited;
    }
    this.#since = undefined;
    // Headers may come long before what has to be made first.
    this.#allowed = STALL_TIMEOUT_MS + (bytes === 0 ? this.#patience : 0);
    this.#bytes += bytes;
  }

  /** The next thing is waited for: it may take as long as a stall does. */
  waits(): void {
    this.#since = performance.now();
    this.#excused = 0;
  }

  end(): void {
    if (watches.delete(this) && watches.size === 0) {
      clearInterval(ticker);
      ticker = undefined;
    }
    this.#outer.removeEventListener("abort", this.#stop);
  }

  /** What an exception of the request means. */
  explain(cause: unknown): unknown {
    if (this.#outer.aborted) return this.#outer.reason;
    return this.#ended ?? new PeerFailed(this.#peer, rootMessage(cause), { cause });
  }

  /** Set while the peer brings so little that it may have to make way, in bytes per second. */
  get little(): number | undefined {
    const waits = this.#since !== undefined && this.#ended === undefined;
    return waits && this.#bytes < this.#enough ? this.#little : undefined;
  }

  get #enough(): number {
    return this.#way?.enough ?? 0;
  }

  /**
   * Aborts the request if the peer has been waited for too long; returns whether it has.
   *
   * @param busy how long nothing could be heard of anybody since the last look, in milliseconds
   */
  look(busy = 0): boolean {
    if (this.#since === undefined || this.#ended !== undefined) return false;
    const now = performance.now();
    // Answers that keep this process busy, and are none, are not to excuse themselves.
    if (this.#excused < CONNECT_TIMEOUT_MS) {
      this.#since = Math.min(now, this.#since + busy);
      this.#excused += busy;
    }
    const waiting = now - this.#since;
    if (waiting >= this.#allowed) {
      const reason = `it sent nothing for ${this.#allowed / 1000} seconds`;
      return this.#end(new PeerFailed(this.#peer, reason));
    }
    if (this.#waited < TRICKLE.ms) return false;
    const seconds = this.#waited / 1000;
    const bytes = this.#bytes;
    this.#little = bytes < this.#enough ? bytes / seconds : undefined;
    this.#bytes = 0;
    this.#waited = 0;
    if (bytes >= TRICKLE.bytes) return false;
    const reason = `it sent ${bytes} bytes in ${Math.round(seconds)} seconds`;
    return this.#end(new PeerFailed(this.#peer, reason));
  }

  /** Aborts the request if others are to be asked in place of the peer; returns whether it did. */
  makeWay(): boolean {
    const { little } = this;
    if (little === undefined) return false;
    if (this.#way?.makesWay(little, this.#waitedInAll) !== true) return false;
    return this.#end(new PeerSlow(this.#peer, little));
  }

  #end(why: PeerFailed | PeerSlow): true {
    this.#ended = why;
    this.#controller.abort();
    return true;
  }
}

/** Buffers for the next answers: there are hundreds of them, one after the other. */
const spare: ArrayBuffer[] = [];
const MAX_SPARE = 16;

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

  /**
   * @throws PeerBusy when the peer asks to come back later
   * @throws PeerFailed when the status is another one
   */
  require(status: number): void {
    if (this.status === 503) {
      const seconds = Number(this.headers.get("retry-after") ?? NaN);
      const patient = seconds > 0
        ? Math.min(Math.max(seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
        : BUSY_RETRY_SECONDS;
      throw new PeerBusy(this.#peer, patient);
    }
    if (this.status !== status) {
      throw new PeerFailed(this.#peer, `it answered ${this.status} ${this.#response.statusText}`);
    }
  }

  /** From the question to the last bytes of the body so far. */
  get times(): Times {
    return this.#watch.times;
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
    const kept = spare.pop();
    let buffer = kept?.byteLength === size ? kept : new ArrayBuffer(size);
    try {
      yield* this.#parts(reader, async () => {
        const result = await reader.read(new Uint8Array(buffer));
        if (result.value !== undefined) buffer = result.value.buffer;
        return result;
      });
    } finally {
      // A read that failed keeps it.
      if (buffer.byteLength === size && spare.length < MAX_SPARE) spare.push(buffer);
    }
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
        this.#watch.came(value!.length);
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
