/** A peer that serves one implementation properly, counts what it is asked for, and can wait. */

import type { Implementation } from "../../serve/implementations.ts";
import { streamOf } from "../../serve/implementations.ts";

export interface Asked {
  readonly path: string;
  /** What was asked for of the content stream; the end is exclusive. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

export interface FakePeerOptions {
  /**
   * From this byte of the content stream on it sends a byte now and then, which is no stall,
   * until it is told to go on.
   */
  readonly pauseAt?: number;
  /** While it waits it sends nothing at all. */
  readonly silent?: boolean;
}

const CHUNK_SIZE = 64 * 1024;
const TRICKLE_MS = 200;

/** Answers the routes of the manifest and of the content stream; 404 to everything else. */
export class FakePeer implements AsyncDisposable {
  /** In the order of their arrival. */
  readonly asked: Asked[] = [];
  /** Resolved when it is about to wait for the first time. */
  readonly paused = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #stream: Uint8Array<ArrayBuffer>;
  readonly #silent: boolean;
  #pauseAt: number;
  #resumed = Promise.withResolvers<void>();

  constructor(readonly implementation: Implementation, options: FakePeerOptions = {}) {
    this.#stream = streamOf(implementation);
    this.#pauseAt = options.pauseAt ?? Infinity;
    this.#silent = options.silent ?? false;
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      handler: (request) => this.#answer(request),
    });
  }

  /** For `-H`. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  /** The size of the content stream. */
  get size(): number {
    return this.#stream.length;
  }

  /** How many bytes of the content stream it was asked for, all requests together. */
  get askedBytes(): number {
    return this.asked.reduce((sum, { range }) => sum + (range ? range.end - range.start : 0), 0);
  }

  /** Ends the waiting, for good. */
  resume(): void {
    this.#pauseAt = Infinity;
    this.#resumed.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.#server.shutdown();
  }

  #answer(request: Request): Response {
    const { digest, manifestBytes } = this.implementation;
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (path !== `/implementation/${digest}/content`) {
      this.asked.push({ path, range: undefined });
      return path === `/implementation/${digest}/manifest`
        ? new Response(manifestBytes)
        : new Response("no\n", { status: 404 });
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    const start = Number(first ?? 0);
    const end = Number(last ?? this.size - 1) + 1;
    this.asked.push({ path, range: { start, end } });
    return new Response(this.#body(start, end), {
      status: first === undefined ? 200 : 206,
      headers: {
        "content-length": String(end - start),
        ...(first === undefined
          ? {}
          : { "content-range": `bytes ${start}-${end - 1}/${this.size}` }),
      },
    });
  }

  #body(start: number, end: number): ReadableStream<Uint8Array> {
    let at = start;
    return new ReadableStream({
      pull: async (controller) => {
        let next = Math.min(end, at + CHUNK_SIZE);
        if (next > this.#pauseAt) {
          if (at < this.#pauseAt) next = this.#pauseAt;
          else {
            this.paused.resolve();
            await this.#pause();
            next = Math.min(end, at + 1);
          }
        }
        controller.enqueue(this.#stream.slice(at, next));
        at = next;
        if (at === end) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /** Waits until it is resumed, or unless it is silent for the next byte to trickle. */
  async #pause(): Promise<void> {
    const trickles = Promise.withResolvers<void>();
    const timer = this.#silent ? undefined : setTimeout(trickles.resolve, TRICKLE_MS);
    await Promise.race([this.#resumed.promise, trickles.promise]);
    clearTimeout(timer);
  }
}
