import { DamagedImplementation } from "../errors.ts";
import { unmapped } from "../net/inbox.ts";
import { BUSY_RETRY_SECONDS } from "../wire/limits.ts";
import { formatContentRange, formatUnsatisfiedRange, parseRange } from "../wire/range.ts";
import { type ArchiveFormat, parseRoute, requestPath, type Route } from "../wire/routes.ts";
import type { Access } from "./access.ts";
import { ArchiveSource, chooseCoding, type Coding } from "./archive.ts";
import { bodyOf, type Source } from "./body.ts";
import { ContentReader } from "./content.ts";
import type { ReportServe } from "./events.ts";
import type { Held, Holdings } from "./holdings.ts";
import { Transfers } from "./transfers.ts";

/** One request, as far as answers depend on it. */
interface Call {
  readonly request: Request;
  /** The address it came from. */
  readonly from: string;
}

const ARCHIVES: Readonly<Record<ArchiveFormat, { coding: Coding; type: string }>> = {
  "tar": { coding: "identity", type: "application/x-tar" },
  "tar.gz": { coding: "gzip", type: "application/gzip" },
  "tar.zst": { coding: "zstd", type: "application/zstd" },
};

/** Makes the function that answers HTTP requests, until `signal` breaks all answers off. */
export function answering(
  holdings: Holdings,
  access: Access,
  options: { report: ReportServe; signal: AbortSignal },
): Deno.ServeHandler<Deno.NetAddr> {
  const { report } = options;
  const answerer = new Answerer(holdings, options);
  return (request, { remoteAddr }) => {
    const from = unmapped(remoteAddr.hostname);
    if (!access.admits(from)) {
      report({ kind: "refused", from, reason: "its address is not allowed" });
      return say(403, "This address is not served here");
    }
    if (!access.admitsHost(request.headers.get("host"))) {
      report({ kind: "refused", from, reason: "its Host header does not name this machine" });
      return say(421, "This machine has another name");
    }
    const { method } = request;
    const path = requestPath(request.url);
    report({ kind: "get", from, method, path });
    const response = answerer.answer({ request, from }, parseRoute(path));
    report({ kind: "answered", from, method, path, status: response.status });
    return response;
  };
}

class Answerer {
  readonly #holdings: Holdings;
  readonly #report: ReportServe;
  readonly #signal: AbortSignal;
  readonly #transfers = new Transfers();

  constructor(holdings: Holdings, options: { report: ReportServe; signal: AbortSignal }) {
    this.#holdings = holdings;
    this.#report = options.report;
    this.#signal = options.signal;
  }

  answer(call: Call, route: Route | undefined): Response {
    const { method, headers } = call.request;
    if (method !== "GET" && method !== "HEAD") {
      return say(405, "Only GET and HEAD are answered here", { allow: "GET, HEAD" });
    }
    if (route === undefined) return say(404, "There is nothing here");
    if (route.kind === "bad") return say(400, route.reason);
    const held = this.#find(route);
    if (held === undefined) return say(404, "This implementation is not here");
    if (headers.get("if-none-match") === etagOf(held)) {
      return new Response(null, { status: 304, headers: headersFor(held, undefined) });
    }
    switch (route.kind) {
      case "manifest":
        return new Response(method === "HEAD" ? null : held.manifestBytes, {
          headers: headersFor(held, "text/plain; charset=utf-8", held.manifestBytes.length),
        });
      case "content":
        return this.#content(call, held);
      case "tree": {
        const coding = chooseCoding(headers.get("accept-encoding"));
        return this.#archive(call, held, coding, {
          "vary": "accept-encoding",
          ...(coding === "identity" ? {} : { "content-encoding": coding }),
        });
      }
      case "archive": {
        const { coding, type } = ARCHIVES[route.format];
        return this.#archive(call, held, coding, { "content-type": type });
      }
      default:
        return say(404, "There is nothing here");
    }
  }

  #find(route: Exclude<Route, { kind: "bad" }>): Held | undefined {
    const digests = route.kind === "archive" ? route.digests : [route.digest];
    for (const digest of digests) {
      const held = this.#holdings.find(digest);
      if (held !== undefined) return held;
    }
    return undefined;
  }

  #content(call: Call, held: Held): Response {
    const { size } = held.stream;
    const headers = headersFor(held, "application/octet-stream");
    headers.set("accept-ranges", "bytes");
    // A range of another version would be spliced into this one: then the whole is right.
    const condition = call.request.headers.get("if-range");
    const asked = condition === null || condition === etagOf(held)
      ? parseRange(call.request.headers.get("range"), size)
      : undefined;
    if (asked === "unsatisfiable") {
      return say(416, "There is no such range", { "content-range": formatUnsatisfiedRange(size) });
    }
    const { start, end } = asked ?? { start: 0, end: size };
    if (asked !== undefined) headers.set("content-range", formatContentRange(start, end, size));
    headers.set("content-length", String(end - start));
    const status = asked === undefined ? 200 : 206;
    return this.#send(call, held, status, headers, () => new ContentReader(held, start, end));
  }

  #archive(call: Call, held: Held, coding: Coding, extra: Record<string, string>): Response {
    const headers = headersFor(held, "application/x-tar");
    for (const [name, value] of Object.entries(extra)) headers.set(name, value);
    let archive: ArchiveSource;
    try {
      archive = new ArchiveSource(held, coding);
    } catch (error) {
      if (!(error instanceof DamagedImplementation)) throw error;
      this.#holdings.suspend(held.digest, held.path, error.message);
      return say(404, "This implementation is not here");
    }
    if (archive.size !== undefined) headers.set("content-length", String(archive.size));
    return this.#send(call, held, 200, headers, () => archive);
  }

  /** Sends a body, unless only its headers are wanted or too many are being sent already. */
  #send(
    call: Call,
    held: Held,
    status: number,
    headers: Headers,
    open: () => Source,
  ): Response {
    if (call.request.method === "HEAD") {
      // Without a body, Deno says that the length is 0; with one that it does not know, nothing.
      const unknown = !headers.has("content-length");
      const body = unknown ? new ReadableStream({ start: (body) => body.close() }) : null;
      return new Response(body, { status, headers });
    }
    const leave = this.#transfers.begin(call.from);
    if (leave === undefined) {
      return say(503, "Too many transfers are under way", {
        "retry-after": String(BUSY_RETRY_SECONDS),
      });
    }
    const { digest, path } = held;
    const body = bodyOf(open(), this.#signal, (error, bytes) => {
      leave();
      if (error instanceof DamagedImplementation) {
        this.#holdings.suspend(digest, path, error.message);
      }
      const reason = error instanceof Error ? error.message : undefined;
      this.#report({ kind: "sent", from: call.from, digest, bytes, reason });
    });
    return new Response(body, { status, headers });
  }
}

function etagOf(held: Held): string {
  return `"${held.digest}"`;
}

function headersFor(held: Held, type: string | undefined, length?: number): Headers {
  return new Headers({
    "etag": etagOf(held),
    // The digest names the content, so that it never changes; and no coding is to be added on
    // the way, for a range must mean what it says.
    "cache-control": "public, max-age=31536000, immutable, no-transform",
    "x-content-type-options": "nosniff",
    ...(type === undefined ? {} : { "content-type": type }),
    ...(length === undefined ? {} : { "content-length": String(length) }),
  });
}

function say(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
