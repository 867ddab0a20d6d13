import { DamagedImplementation } from "../errors.ts";
import { BUSY_RETRY_SECONDS, CHUNK_SIZE } from "../wire/limits.ts";
import { bodyOf, type Source } from "./body.ts";
import type { ReportServe } from "./events.ts";
import type { Held } from "./held.ts";
import { Places, type Reader } from "./places.ts";
import { say } from "./responses.ts";
import type { UploadLimit } from "./upload_limit.ts";

/** One request, as far as answers depend on it. */
export interface Call extends Reader {
  readonly request: Request;
}

/** What is to be sent, when there is a place for it. */
export interface Sending {
  readonly status: number;
  readonly headers: Headers;
  /** Opens what is to be sent, and may add headers; not called for HEAD, nor without a place. */
  open(headers: Headers): Source;
  /** Called once after `open`, with no error when everything was handed over. */
  over?(error: unknown | undefined): void;
}

export interface SenderOptions {
  readonly report: ReportServe;
  /** Breaks all answers off. */
  readonly signal: AbortSignal;
  readonly limit: UploadLimit | undefined;
  /** Told of a file that is not as listed, once its answer was broken off. */
  readonly onDamage: (held: Held, error: DamagedImplementation) => void;
}

/** Sends bodies: not too many at a time, not too fast, and says how each ended. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #places = new Places();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** @throws what `open` throws */
  send(call: Call, held: Held, { status, headers, open, over }: Sending): Response {
    if (call.request.method === "HEAD") return headOnly(status, headers);
    const leave = this.#places.forTransfer(call);
    if (leave === undefined) return tooMany();
    const { report, signal, onDamage } = this.#options;
    let source: Source;
    try {
      source = open(headers);
    } catch (error) {
      leave(error);
      throw error;
    }
    report({ kind: "sending", from: call.from, digest: held.digest });
    const body = bodyOf(this.#limited(source, call), signal, (error, bytes) => {
      leave(error);
      over?.(error);
      if (error instanceof DamagedImplementation) onDamage(held, error);
      const reason = error instanceof Error ? error.message : undefined;
      report({ kind: "sent", from: call.from, digest: held.digest, bytes, reason });
    });
    return new Response(body, { status, headers });
  }

  /** Sends what is in memory already, in no less time than anything else. */
  sendBytes(call: Call, bytes: Uint8Array<ArrayBuffer>, headers: Headers): Response {
    headers.set("content-length", String(bytes.length));
    if (call.request.method !== "HEAD" && bytes.length <= CHUNK_SIZE && !this.#options.limit) {
      const leave = this.#places.forBytes(call);
      if (leave === undefined) return tooMany();
      leave(undefined);
      return new Response(bytes, { headers });
    }
    // A large manifest is not copied as a whole for everyone who asks.
    let at = 0;
    const next = () => at < bytes.length ? bytes.subarray(at, at += CHUNK_SIZE) : undefined;
    return this.sendMade(call, { next, close: () => {} }, headers);
  }

  /** Sends what is quickly made of what is in memory. */
  sendMade(call: Call, source: Source, headers: Headers): Response {
    if (call.request.method === "HEAD") return headOnly(200, headers);
    const leave = this.#places.forBytes(call);
    if (leave === undefined) return tooMany();
    const body = bodyOf(this.#limited(source, call), this.#options.signal, leave);
    return new Response(body, { headers });
  }

  #limited(source: Source, { from }: Reader): Source {
    return this.#options.limit?.limited(source, from) ?? source;
  }
}

function headOnly(status: number, headers: Headers): Response {
  // Without a body, Deno says that the length is 0; with one that it does not know, nothing.
  const unknown = !headers.has("content-length");
  const body = unknown ? new ReadableStream({ start: (body) => body.close() }) : null;
  return new Response(body, { status, headers });
}

function tooMany(): Response {
  return busy("Too many transfers are under way");
}

/** Asks to come back in a moment. */
export function busy(why: string): Response {
  return say(503, why, { "retry-after": String(BUSY_RETRY_SECONDS) });
}
